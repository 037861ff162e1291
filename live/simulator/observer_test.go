package simulator

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestObserver_whatALineageKnows(t *testing.T) {
	t.Parallel()
	cfg := quickConfig()
	cfg.Faults = []Fault{{Kind: FaultLongAnswer, Length: 40 * time.Millisecond}} // short, that is
	s, l := observed(t, cfg)
	p := dial(t, s, geminiPath, nil)
	p.say(onModel("models/gemini-3.8-live", `"systemInstruction":{"parts":[{"text":"conversation 7"}]},"historyConfig":{"initialHistoryInClientContent":true},"sessionResumption":{}`))
	p.until(ready)
	p.say(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"earlier"}]},{"role":"model","parts":[{"text":"indeed"}]}],"turnComplete":true}}`)
	p.until(handle)
	p.say(`{"realtimeInput":{"video":{"mimeType":"image/jpeg","data":"AAAA"}}}`)
	p.say(`{"contextUpdate":{"systemInstruction":{"parts":[{"text":"be brief"}]},"tools":{"tools":[{"functionDeclarations":[{"name":"look_up"}]}]}}}`)
	p.say(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"first look_up"}]}]}}`)
	p.say(`{"clientContent":{"turns":[{"role":"user","parts":[{"text":"please"}]}],"turnComplete":true}}`)
	all := p.until(func(h heard) bool { return h.ToolCall != nil })
	id := all[len(all)-1].ToolCall.FunctionCalls[0].ID
	p.until(complete) // it does not block on this model
	p.say(`{"toolResponse":{"functionResponses":[{"id":"` + id + `","name":"look_up","response":{"output":1}},{"id":"stranger","name":"x","response":{}}]}}`)
	p.until(complete)
	update := p.until(handle)
	hangUp(t, s, p)
	p = dial(t, s, geminiPath, nil)
	p.say(resumeWith(update[len(update)-1].SessionResumptionUpdate.NewHandle))
	p.until(ready)
	p.say(`{"realtimeInput":{"text":"last"}}`)
	p.until(complete)
	hangUp(t, s, p)

	var got []string
	for _, e := range l.survived() {
		switch e.Kind {
		case EventOpened:
			got = append(got, fmt.Sprintf("opened on %s by %d, instruction %q", e.Opening.Model, e.Parent, e.Opening.Instruction))
		case EventSeed:
			got = append(got, e.Role+" had said "+e.Text)
		case EventText:
			got = append(got, fmt.Sprintf("%s said %s (%d)", e.Role, e.Text, e.Question))
		case EventImage:
			got = append(got, fmt.Sprintf("a picture of %d bytes", e.Bytes))
		case EventUpdate:
			got = append(got, fmt.Sprintf("instruction %q, functions %v", e.Text, e.Functions))
		case EventToolCall:
			got = append(got, "calls "+e.Name)
		case EventToolAnswer:
			got = append(got, fmt.Sprintf("%q answered %s (%d)", e.Name, e.Text, e.Question))
		case EventAnswer:
			got = append(got, fmt.Sprintf("answer %d to %v", e.Answer, e.Questions))
		case EventAnswerEnd:
			got = append(got, fmt.Sprintf("ended %d", e.Outcome))
		case EventClosed:
			got = append(got, fmt.Sprintf("closed %d %v", e.Code, e.FromClient))
		}
	}
	want := strings.Split(strings.TrimSpace(`
opened on gemini-3.8-live by 0, instruction "conversation 7"
user had said earlier
model had said indeed
a picture of 3 bytes
instruction "be brief", functions [look_up]
user said first look_up (1)
user said please (1)
calls look_up
answer 1 to [1]
ended 1
"look_up" answered {"output":1} (2)
"" answered {} (0)
answer 2 to [2]
ended 1
opened on gemini-3.8-live by 1, instruction ""
 said last (3)
answer 3 to [3]
ended 1
closed 1006 true`), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestObserver_anAnswerThatTheConnectionsEndBreaks(t *testing.T) {
	t.Parallel()
	cfg := quickConfig()
	cfg.Pace = 1
	cfg.Faults = []Fault{{Kind: FaultClose, Code: 1011, Reason: "over", Turn: 1}}
	s, l := observed(t, cfg)
	p := dial(t, s, geminiPath, nil)
	p.say(plainSetup)
	p.until(ready)
	p.say(`{"realtimeInput":{"text":"a long story"}}`)
	all := p.until(speaking)
	if _, code, _ := p.end(); code != 1011 {
		t.Errorf("closed with %d", code)
	}
	eventually(t, "the connection is closed", func() bool { return len(l.all(EventClosed)) == 1 })
	end, closed, pieces := l.all(EventAnswerEnd), l.all(EventClosed), l.all(EventAnswerAudio)
	if len(end) != 1 || end[0].Outcome != Broken || end[0].Bytes != audioOf(all) || closed[0].Code != 1011 || closed[0].Reason != "over" || closed[0].FromClient {
		t.Errorf("answer %+v, close %+v; %d bytes were heard", end, closed, audioOf(all))
	}
	if len(pieces) != 1 || !bytes.Equal(pieces[0].PCM, audioBytes(all)) {
		t.Errorf("%d pieces were told of, not the one that was heard", len(pieces))
	}
}
