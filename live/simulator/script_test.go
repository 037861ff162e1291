package simulator

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

func TestFault_validate(t *testing.T) {
	for _, c := range []struct {
		f    Fault
		want string // in the error; empty: none
	}{
		{Fault{Kind: FaultDrop, Probability: math.NaN()}, "probability must be between 0 and 1"},
		{Fault{Kind: FaultDrop, Probability: 1.5}, "probability must be between 0 and 1"},
		{Fault{Kind: "dance"}, "kind must be one of"},
		{Fault{Kind: FaultClose}, "code must be a close code"},
		{Fault{Kind: FaultClose, Code: 1005}, "code must be a close code"},
		{Fault{Kind: FaultClose, Code: 1006}, ""},
		{Fault{Kind: FaultClose, Code: 1011, Turn: 1, After: time.Second}, "after must be left out"},
		{Fault{Kind: FaultClose, Code: 1011, At: atAfter}, "at must be before, inside or after a turn"},
		{Fault{Kind: FaultClose, Code: 1011, Turn: 1, At: "behind"}, "at must be before, inside or after a turn"},
		{Fault{Kind: FaultBurst, Turn: 1, At: atAfter}, "at must be before, inside or after a turn"},
		{Fault{Kind: FaultRefuseSetup, Turn: 1}, "turn and after must be left out"},
		{Fault{Kind: FaultRefuseSetup, Code: 99}, "code must be a close code"},
		{Fault{Kind: FaultDrop, Turn: -1}, "turn and connection must be 0 or more"},
		{Fault{Kind: FaultDrop, Length: time.Second}, "length means nothing to drop"},
		{Fault{Kind: FaultLongAnswer}, "length must be given to long_answer"},
		{Fault{Kind: FaultLongAnswer, Length: time.Hour}, "length must be between 0 and 5m0s"},
		{Fault{Kind: FaultGoAway, Length: 50 * time.Second, Probability: 0.5, Connection: 1}, ""},
	} {
		err := c.f.Validate()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: %v, want %q", c.f, err, c.want)
		}
	}
}

func TestFaults_probabilityIsDrawnWhereverItIsWritten(t *testing.T) {
	for way, arrange := range ways {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			cfg := quickConfig()
			sc := &scene{t: t, path: geminiPath}
			arrange(sc, &cfg, "drop probability=0.5")
			sc.s, sc.l = observed(t, cfg)
			dropped := 0
			for range 24 {
				p := sc.started("")
				p.say(short)
				_ = p.ws.SetReadDeadline(time.Now().Add(patience))
				for {
					_, data, err := p.ws.ReadMessage()
					if err != nil {
						dropped++
						break
					}
					if memberOf(data) == "turnComplete" {
						break
					}
				}
			}
			if dropped < 4 || dropped > 20 {
				t.Errorf("%d of 24 connections were dropped, want about half", dropped)
			}
		})
	}
}

func TestFaults_severalInAQuery(t *testing.T) {
	s := startServer(t, quickConfig())
	p := dial(t, s, geminiPath+"&simulate=omit_turn_complete&simulate=close%20code=1011%20turn=1%20at=after", nil)
	p.say(plainSetup)
	p.until(ready)
	p.say(short)
	if members, code, _ := p.end(); code != 1011 || slices.Contains(members, "turnComplete") || !slices.Contains(members, "generationComplete") {
		t.Error(members, code)
	}
	_, _, err := websocket.DefaultDialer.Dial(wsURL(s)+geminiPath+"&simulate=quota&simulate=dance", nil)
	if !errors.Is(err, websocket.ErrBadHandshake) {
		t.Error("an unknown fault behind a known one was accepted")
	}
}
