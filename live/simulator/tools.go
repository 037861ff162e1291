package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// call is a function call that the client has not answered.
type call struct {
	name     string
	blocking bool
}

// maxCalls bounds the calls that are open at once.
const maxCalls = 64

// callTool calls a declared function when the typed text names one, or when the fault tool_call says so, and
// reports whether the answer now waits for it. Called with mu held.
func (c *conn) callTool(t *turn, now time.Time) bool {
	f, ok := c.wanted(t)
	if !ok || len(c.calls) >= maxCalls {
		return false
	}
	id := fmt.Sprintf("function-call-%d-%d", c.serial, c.ids.Uint32())
	if c.calls == nil {
		c.calls = make(map[string]*call)
	}
	blocking := f.Behavior == "BLOCKING" || f.Behavior == "" && !strings.Contains(c.model, "3.8")
	c.calls[id] = &call{f.Name, blocking}
	c.send(object{"toolCall": object{"functionCalls": []object{{"id": id, "name": f.Name, "args": arguments(f, t.text)}}}})
	c.strikeTurn(now)
	return blocking
}

// wanted finds the function that a turn asks for.
func (c *conn) wanted(t *turn) (declaration, bool) {
	if t.tool != "" || len(c.functions) == 0 {
		return declaration{}, false
	}
	if c.fault(FaultToolCall) != nil {
		return c.functions[0], true
	}
	i := slices.IndexFunc(c.functions, func(f declaration) bool { return f.Name != "" && strings.Contains(t.text, f.Name) })
	if i < 0 {
		return declaration{}, false
	}
	return c.functions[i], true
}

// arguments are the JSON object in the text, where there is one, else an example for each declared parameter.
func arguments(f declaration, text string) object {
	args := object{}
	if from, to := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}'); from >= 0 && to > from {
		if json.Unmarshal([]byte(text[from:to+1]), &args) == nil {
			return args
		}
		args = object{}
	}
	schema, _ := f.Parameters.(map[string]any)
	if schema == nil {
		schema, _ = f.ParametersJSONSchema.(map[string]any)
	}
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		property, _ := p.(map[string]any)
		kind, _ := property["type"].(string)
		switch strings.ToUpper(kind) {
		case "NUMBER", "INTEGER":
			args[name] = 1
		case "BOOLEAN":
			args[name] = true
		case "ARRAY":
			args[name] = []any{}
		case "OBJECT":
			args[name] = object{}
		default:
			args[name] = "simulated"
		}
	}
	return args
}

// blocked reports whether a blocking call is open on a model that takes no audio meanwhile.
func (c *conn) blocked() bool {
	if len(c.calls) == 0 || !strings.Contains(c.model, "2.5") {
		return false
	}
	for _, open := range c.calls {
		if open.blocking {
			return true
		}
	}
	return false
}

// toolAnswers takes the client's answers. Called with mu held.
func (c *conn) toolAnswers(responses []functionResponse) *refusal {
	for _, r := range responses {
		if r.ID == "" && c.who.backend == backendGemini {
			return invalid(reasonArgument)
		}
		open := c.calls[r.ID]
		if open == nil { // cancelled, or from before this connection
			continue
		}
		if !r.WillContinue {
			delete(c.calls, r.ID)
		}
		said, _ := json.Marshal(r.Response)
		t := &turn{text: string(said), tool: open.name}
		c.history.usage.promptText += wordTokens(t.text)
		switch {
		case open.blocking:
			if !c.openBlocking() { // the turn goes on where it waited
				c.resumeTurn(t)
			}
		case r.Scheduling == "SILENT":
		case strings.HasPrefix(r.Scheduling, "INTERRUPT"):
			c.interrupt()
			c.request(t)
		default: // WHEN_IDLE
			c.request(t)
		}
	}
	return nil
}

func (c *conn) openBlocking() bool {
	for _, open := range c.calls {
		if open.blocking {
			return true
		}
	}
	return false
}

// resumeTurn lets the answer that waited for a tool go on.
func (c *conn) resumeTurn(t *turn) {
	if c.turn == nil { // it was given up meanwhile
		c.request(t)
		return
	}
	c.turn = t
	t.thinking = true
	c.after(min(c.cfg.ThinkingDelay, 200*time.Millisecond), "answer", c.answer)
	c.signal()
}

// cancelCalls takes the open calls back, as an interruption does. Called with mu held.
func (c *conn) cancelCalls() {
	if len(c.calls) == 0 {
		return
	}
	ids := make([]string, 0, len(c.calls))
	for id := range c.calls {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	clear(c.calls)
	c.send(object{"toolCallCancellation": object{"ids": ids}})
}
