package live

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestResume_theConversationComesBackToItsFirstInstance(t *testing.T) {
	for name, wait := range map[string]time.Duration{"while it has it": 0, "when it has buried it": 70 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, up, d := talk(t, nil)
				one := p.gateway
				back := newMemUpstream()
				d.later = []later{{up: back}}
				up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
				time.Sleep(2 * time.Second)
				p.settle()
				p.cut(0) // the way to the first instance is lost
				two, up2, _ := instance(t, nil)
				p.gateway = two
				for range elsewhereTries {
					p.resume()
					<-p.done
				}
				up2.says(Event{Kind: EventReady})
				if !p.resume() {
					t.Fatal("the conversation did not go on")
				}
				up2.says(counting(0, 100), Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h2", Resumable: true, Consumed: -1})
				for range 2 + int(wait/time.Second) {
					time.Sleep(time.Second)
					p.settle()
				}
				p.cut(0) // and found again, while that to the second is lost
				p.gateway = one
				back.says(Event{Kind: EventReady})
				for range elsewhereTries + 1 {
					if p.ended = nil; p.resume() {
						break
					}
					<-p.done
				}
				if p.resumed == nil {
					t.Fatalf("the conversation did not go on: %v", p.ended)
				}
				if got := d.asked(); len(got) != 2 || got[1].Handle != "h2" {
					t.Errorf("%d connections were opened, the last with %+v", len(got), got[len(got)-1])
				}
				p.leave()
				time.Sleep(3 * time.Minute)
			})
		})
	}
}

// Whoever comes at the moment when the window ends gets the conversation, or is told that it is over: not both.
func TestResume_atTheVeryEndOfTheWindow(t *testing.T) {
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			p, _, _ := talk(t, nil)
			p.cut(0)
			time.Sleep(DefaultConfig().Resume.Window)
			if !p.resume() {
				<-p.done
				return
			}
			time.Sleep(time.Second)
			select {
			case <-p.done:
				t.Fatalf("the conversation was taken up, and then ended: %v", p.b.closed)
			default:
				p.leave()
			}
		})
	}
}

// A full instance has told a client often enough that the conversation may live elsewhere.
func TestResume_aFullInstanceRemembersWhoWasToldToTryElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, nil)
		p.cut(0)
		two, up2, _ := instance(t, func(c *Config, _ *memDialer) { c.Live.MaxSessions = 1 })
		p.gateway = two
		other := newPerson(t, two)
		other.start("")
		for _, want := range []Reason{ReasonSessionElsewhere, ReasonSessionElsewhere, ReasonSessionElsewhere, ReasonAtCapacity, ReasonAtCapacity} {
			if p.resume() {
				t.Fatal("the conversation goes on")
			}
			<-p.done
			if *p.b.closed != want {
				t.Errorf("closed with %v, want %v", p.b.closed, want)
			}
		}
		other.leave()
		synctest.Wait()
		up2.says(Event{Kind: EventReady})
		if !p.resume() {
			<-p.done
			t.Errorf("closed with %v although there is room", p.b.closed)
			time.Sleep(2 * time.Minute)
			return
		}
		p.leave()
		time.Sleep(2 * time.Minute) // of the first instance's session
	})
}
