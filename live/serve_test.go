package live

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// panicky is a browser whose reading is a defect.
type panicky struct {
	*memBrowser
	first bool
}

func (b *panicky) Read(f *Frame) error {
	if b.first {
		b.first = false
		return b.memBrowser.Read(f)
	}
	panic("a defect")
}

func TestServe_aDefectInAReaderCostsNoRoom(t *testing.T) {
	for _, started := range []bool{false, true} {
		t.Run(fmt.Sprintf("started %v", started), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, _, _ := instance(t, nil)
				slot, err := g.Admit(BackendGemini, false)
				if err != nil {
					t.Fatal(err)
				}
				b := newMemBrowser(t)
				b.say(`{"type":"start_session","config":{"resumable":true}}`)
				func() {
					defer func() { _ = recover() }()
					slot.Serve(&panicky{b, started}, Client{})
				}()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := g.Drain(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestResume_anOrderlyEndIsNoLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, up, _ := instance(t, nil)
		var mu sync.Mutex
		var lines []string
		listening(g, func(r slog.Record) {
			mu.Lock()
			defer mu.Unlock()
			lines = append(lines, r.Message)
		})
		p := newPerson(t, g)
		p.start("")
		up.says(Event{Kind: EventReady})
		p.leave()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(lines, ", "); got != "session started, session ended" {
			t.Errorf("logged: %s", got)
		}
	})
}
