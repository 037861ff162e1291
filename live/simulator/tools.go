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
	f, ok := c.wanted(t, now)
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
	c.note(Event{Kind: EventToolCall, ID: id, Name: f.Name})
	c.strikeTurn(atInside, now)
	return blocking
}

// wanted finds the function that a turn asks for.
func (c *conn) wanted(t *turn, now time.Time) (declaration, bool) {
	if t.tool != "" || len(c.functions) == 0 {
		return declaration{}, false
	}
	if c.manner(FaultToolCall, now) != nil {
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
	for name, kind := range f.parameters() {
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

// parameters are the types of what a function takes, by name.
func (f declaration) parameters() map[string]string {
	types := make(map[string]string)
	if f.Parameters != nil {
		for name, p := range f.Parameters.Properties {
			types[name] = string(p.Type)
		}
		return types
	}
	schema, _ := f.ParametersJSONSchema.(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	for name, p := range properties {
		property, _ := p.(map[string]any)
		types[name], _ = property["type"].(string)
	}
	return types
}

// names are what the functions are called.
func names(functions []declaration) []string {
	list := make([]string, len(functions))
	for i, f := range functions {
		list[i] = f.Name
	}
	return list
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
func (c *conn) toolAnswers(responses []functionResponse, now time.Time) *refusal {
	open := len(c.calls)
	for _, r := range responses {
		if r.ID == "" && c.who.backend == backendGemini {
			return invalid(reasonArgument)
		}
		c.toolAnswer(r, now)
	}
	if open > 0 && c.waiting == nil { // the last call may have been answered, and nothing is said about it
		c.offerHandle(now)
	}
	return nil
}

func (c *conn) toolAnswer(r functionResponse, now time.Time) {
	said, _ := json.Marshal(r.Response)
	e := Event{Kind: EventToolAnswer, ID: r.ID, Text: string(said)}
	open := c.calls[r.ID]
	if open == nil { // cancelled, or from before this connection
		c.note(e)
		return
	}
	e.Name = open.name
	if !r.WillContinue {
		delete(c.calls, r.ID)
	}
	c.history.usage.promptText += wordTokens(e.Text)
	if r.Scheduling == "SILENT" && !open.blocking {
		c.note(e)
		return
	}
	q := &question{numbers: c.number(), tool: open.name, said: e.Text}
	e.Question = c.asked
	c.note(e)
	switch {
	case open.blocking:
		c.resumeTurn(q, now)
	case strings.HasPrefix(string(r.Scheduling), "INTERRUPT"):
		c.interrupt()
		c.ask(q, now)
	default: // WHEN_IDLE
		c.ask(q, now)
	}
}

func (c *conn) openBlocking() bool {
	for _, open := range c.calls {
		if open.blocking {
			return true
		}
	}
	return false
}

// resumeTurn lets the answer that waited for tools go on where it waited, when all of them have answered.
func (c *conn) resumeTurn(q *question, now time.Time) {
	if c.turn == nil || !c.turn.began.IsZero() || c.turn.thinking { // it was given up meanwhile
		c.ask(q, now)
		return
	}
	q.numbers = slices.Concat(c.turn.numbers, q.numbers)
	q.tool, q.said = spaced(c.turn.tool, q.tool), spaced(c.turn.said, q.said)
	c.turn.question = q
	if c.openBlocking() {
		return
	}
	c.turn.thinking = true
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
	for _, id := range ids {
		c.note(Event{Kind: EventToolCancelled, ID: id, Name: c.calls[id].name})
	}
	clear(c.calls)
	c.send(object{"toolCallCancellation": object{"ids": ids}})
}
