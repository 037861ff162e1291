package live

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A connection that was given up as slow has received nothing new; the next one gets the whole write timeout.
func TestWindow_aNewConnectionHasTimeToAcknowledge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.acknowledge()
		p.settle()
		up.says(counting(0, 2000))
		synctest.Wait()
		p.read = len(p.b.wire)
		<-p.done // nothing of the speech came through
		if !p.resume() {
			t.Fatal("a slow client lost the conversation")
		}
		for range 20 {
			p.acknowledge()
			time.Sleep(200 * time.Millisecond)
			p.settle()
		}
		wantCounting(t, p.heard, 2000)
		p.leave()
	})
}

// A socket that is stuck lets acks and tickets pile up; they are about counts that are not the next connection's.
func TestResume_whatWasToldToTheOldConnectionIsNotToldToTheNext(t *testing.T) {
	for _, reloaded := range []bool{true, false} {
		t.Run(fmt.Sprintf("reloaded %v", reloaded), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, up, _ := talk(t, nil)
				p.b.mu.Lock()
				p.b.room = 0
				p.b.mu.Unlock()
				for range 100 {
					p.speak(tone(20, 16000))
				}
				synctest.Wait()
				up.says(Event{Kind: EventResumption, Handle: "h1", Resumable: true, Consumed: int64(len(up.got()))})
				time.Sleep(2 * time.Second)
				p.cut(0)
				p.speak(tone(20, 16000))
				if reloaded {
					p.reload()
				} else {
					p.resume()
				}
				time.Sleep(2 * time.Second)
				p.settle() // checks the acks
				if opened, err := p.gateway.sealer.open(p.ticket, time.Now()); err != nil || opened.Handle != "h1" || opened.Generation != 2 {
					t.Errorf("the client's last ticket is of connection %d, with the handle %q: %v", opened.Generation, opened.Handle, err)
				}
				p.leave()
			})
		})
	}
}

func TestResume_anotherInstanceDoesNotBelieveEveryCount(t *testing.T) {
	for _, count := range []int64{-1, math.MinInt64, math.MaxInt64, math.MaxInt64 - 1} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := talk(t, nil)
				go p.gateway.Drain(t.Context()) //nolint:errcheck // its session ends in time
				<-p.done
				p.look()
				good := *p
				two, up2, _ := instance(t, nil)
				p.gateway, p.received = two, count
				if p.resume() {
					t.Fatal("the conversation goes on")
				}
				<-p.done
				if n := two.Stats().Active; n != 0 {
					t.Errorf("%d sessions wait for somebody who was turned away", n)
				}
				good.cutBy(p)
				good.gateway, good.ended = two, nil
				if !good.resume() {
					t.Fatalf("the refusal cost the person the conversation: %v", good.ended)
				}
				up2.says(Event{Kind: EventReady})
				good.leave()
			})
		})
	}
}

// A message is counted before it comes to the inbox: a handle that comes in between does not include it.
func TestResume_aMessageThatIsBeingCarriedOutIsNotCovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		s := p.gateway.find(p.id)
		p.speak(tone(20, 16000))
		p.settle()
		s.mic.mu.Lock()
		s.in.count(s.in.newest())
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: 1})
		for handle, tries := "", 0; handle == ""; runtime.Gosched() {
			s.life.mu.Lock()
			handle = s.life.point.handle
			s.life.mu.Unlock()
			if tries++; tries > 100_000 {
				break // the handle waits for the message, as it should
			}
		}
		s.in.addAudio(tone(20, 16000), time.Now())
		s.mic.mu.Unlock()
		synctest.Wait()
		if got := s.life.point; got.handle != "h" || got.covered != 1 {
			t.Errorf("the handle %q covers %d messages, want 1", got.handle, got.covered)
		}
		p.sent = append(p.sent, Frame{})
		p.leave()
	})
}

// Texts go ahead of audio that is held back while a tool call is open.
func TestInbox_aCommandThatWentAheadCoversNoAudio(t *testing.T) {
	in := &inbox{maxKept: 1 << 20, maxUnsent: 1 << 20}
	hear := func() {
		in.count(0)
		in.addAudio(tone(20, 16000), time.Now())
	}
	give := func(index int64, hold bool) {
		_, _, at := in.take(nil, takeRule{maxBytes: 640, holdAudio: hold})
		in.mark(index, at, time.Now().UnixNano())
	}
	hear()
	give(1, false)
	hear()
	hear()
	in.count(0)
	in.addCommand(&Command{Kind: CommandText, Text: "typed"})
	give(2, true)
	if at := in.resumeAt(in.consumed(1), 0, 0); at.covered != 1 || len(at.ahead) != 0 {
		t.Errorf("before the text: %d messages are covered, and %v", at.covered, at.ahead)
	}
	if at := in.resumeAt(in.consumed(2), 0, 0); at.covered != 1 || !slices.Equal(at.ahead, []int64{4}) {
		t.Errorf("with the text: %d messages are covered, and %v", at.covered, at.ahead)
	}
}

// The client has forgotten what it was told to be covered, whatever a later handle includes.
func TestResume_whatIsCoveredStaysCovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := newMemUpstream()
		p, up, _ := talk(t, func(_ *Config, d *memDialer) {
			d.later = []later{{err: &UpstreamError{Fault: FaultDeadHandle, Detail: "unknown"}}, {up: second}}
		})
		p.speak(tone(20, 16000))
		p.speak(tone(20, 16000))
		time.Sleep(2 * time.Second)
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: int64(len(up.got()))})
		p.settle()
		if p.covered != 2 {
			t.Fatalf("%d messages are covered", p.covered)
		}
		second.says(Event{Kind: EventReady}, Event{Kind: EventResumption, Handle: "h2", Resumable: true, Consumed: 0})
		up.ended <- io.ErrUnexpectedEOF
		time.Sleep(2 * time.Second)
		p.speak(tone(20, 16000))
		time.Sleep(2 * time.Second)
		p.settle()
		if p.covered != 2 {
			t.Errorf("%d messages are covered, after 2 were", p.covered)
		}
		p.drained()
		if !p.resume() {
			t.Fatal("the conversation did not go on")
		}
		p.leave()
	})
}

func TestResume_aRefusalTakesNoTicketFromTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.speak(tone(20, 16000))
		synctest.Wait()
		time.Sleep(2 * time.Second)
		up.says(Event{Kind: EventResumption, Handle: "h1", Resumable: true, Consumed: int64(len(up.got()))})
		synctest.Wait()
		p.say(`{"type":"text","text":"more"}`)
		synctest.Wait()
		up.says(Event{Kind: EventResumption, Handle: "h2", Resumable: true, Consumed: int64(len(up.got()))})
		synctest.Wait() // its ticket has to wait for a moment
		stranger := *p
		stranger.received += 1000
		stranger.resume()
		<-stranger.done
		time.Sleep(2 * time.Second)
		p.settle()
		if opened, err := p.gateway.sealer.open(p.ticket, time.Now()); err != nil || opened.Handle != "h2" {
			t.Errorf("the client's ticket holds %q, %v", opened.Handle, err)
		}
		p.leave()
	})
}
