package live

import (
	"fmt"
	"math"
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
				newest := p.resumed.JSON["resumeTicket"]
				time.Sleep(time.Second)
				p.settle() // checks the acks
				if p.ticket != newest {
					t.Error("the client was given an older ticket after the newest")
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
