package live

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const sharedKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

// instance is a gateway with a dialer in memory; instances of one test share their key.
func instance(t testing.TB, change func(*Config, *memDialer)) (*Gateway, *memUpstream, *memDialer) {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Resume.Keys = []string{sharedKey}
	up := newMemUpstream()
	d := &memDialer{up: up}
	if change != nil {
		change(&cfg, d)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return NewGateway(cfg, []Backend{{Name: BackendGemini, Workflow: "gemini-live", Dialer: d}}, slog.New(slog.DiscardHandler)), up, d
}

// talk begins a resumable conversation whose upstream is ready.
func talk(t testing.TB, change func(*Config, *memDialer)) (*person, *memUpstream, *memDialer) {
	t.Helper()
	g, up, d := instance(t, change)
	p := newPerson(t, g)
	p.start("")
	up.says(Event{Kind: EventReady})
	p.settle()
	return p, up, d
}

// counting is speech whose samples count from n.
func counting(n, ms int) Event {
	pcm := make([]byte, ms*48)
	for i := 0; i < len(pcm); i += 2 {
		pcm[i], pcm[i+1] = byte(n+i/2), byte((n+i/2)>>8)
	}
	return Event{Kind: EventAudio, PCM: pcm}
}

// wantCounting checks that the speech heard counts from 0 without a gap, ms of it.
func wantCounting(t *testing.T, all []message, ms int) {
	t.Helper()
	var pcm []byte
	for _, m := range all {
		pcm = append(pcm, m.Audio...)
	}
	if want := counting(0, ms).PCM; !bytes.Equal(pcm, want) {
		t.Errorf("%d bytes of speech were heard, want %d without a gap", len(pcm), len(want))
	}
}

func TestResume_aCutInMidAnswerLosesAndDoublesNothing(t *testing.T) {
	for lucky := range 60 {
		t.Run(fmt.Sprint(lucky), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, up, _ := talk(t, nil)
				for i := range 10 {
					up.says(counting(i*960, 40))
				}
				up.says(Event{Kind: EventInputTranscript, Text: "hm"})
				synctest.Wait()
				p.cut(lucky * 400)
				for i := 10; i < 50; i++ {
					up.says(counting(i*960, 40))
				}
				up.says(Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
				time.Sleep(5 * time.Second)
				if !p.resume() {
					t.Fatalf("the conversation did not go on: %v", p.ended)
				}
				if got := p.resumed.JSON; got["upstream"] != "kept" || got["lost"] != 0.0 {
					t.Errorf("session_resumed: %v", got)
				}
				time.Sleep(5 * time.Second)
				p.settle()
				wantCounting(t, p.heard, 2000)
				if find(p.heard, "turn_complete") == nil || find(p.heard, "input_transcript") == nil {
					t.Errorf("heard %v", types(p.heard))
				}
				p.leave()
				if p.ended.Type != "session_ended" || p.skipped != 0 {
					t.Errorf("ended with %v, %d messages were skipped", p.ended, p.skipped)
				}
			})
		})
	}
}

func TestResume_whatThePersonSaidMeanwhileIsRepeatedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		speech := tone(2000, 16000)
		said := 0
		speak := func(n int) {
			for range n {
				p.speak(speech[said*640 : said*640+640])
				said++
			}
		}
		speak(20)
		p.settle()
		for range 5 { // written by the client, and lost on the way
			p.sent = append(p.sent, Frame{Binary: true, Data: speech[said*640 : said*640+640]})
			said++
		}
		p.cut(0)
		speak(15)
		p.say(`{"type":"text","text":"typed"}`)
		p.resume()
		speak(10)
		time.Sleep(time.Second)
		p.settle()
		if got := up.pcm(); !bytes.Equal(got, speech[:said*640]) {
			t.Errorf("the model heard %d bytes, want %d in order", len(got), said*640)
		}
		if got := kinds(up.got()); strings.Count(strings.Join(got, " "), "text") != 1 {
			t.Errorf("the model got %v", got)
		}
		if p.acked != int64(said+1) || p.covered != 0 {
			t.Errorf("%d messages are acknowledged and %d covered of %d, without a handle", p.acked, p.covered, said+1)
		}
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: int64(len(up.got()))})
		time.Sleep(2 * time.Second)
		p.settle()
		if p.covered != p.acked {
			t.Errorf("%d of %d messages are covered by a handle that knows them all", p.covered, p.acked)
		}
		p.leave()
	})
}

func TestResume_theNewestConnectionWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		old := *p
		p.resume()
		<-old.done
		if old.b.closed == nil || *old.b.closed != ReasonReplaced {
			t.Errorf("the old connection was closed with %v", old.b.closed)
		}
		up.says(counting(0, 40))
		p.settle()
		wantCounting(t, p.heard, 40)
		if n := audioBytes(old.b.heard()); n != 0 {
			t.Errorf("the old connection was sent %d bytes of speech", n)
		}
		p.leave()
		if c := p.gateway.Stats().Counters; c.Resumes != 1 {
			t.Errorf("%d resumes were counted", c.Resumes)
		}
	})
}

// Counts of a history that another page has ended mean nothing any more, whether they could be right or not.
func TestResume_aTabThatWasAwayDoesNotTakeItsConversationBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(counting(0, 100))
		p.settle()
		p.cut(0)
		away := *p
		p.heard = nil
		if !p.reload() {
			t.Fatal("the newer tab did not get the conversation")
		}
		for i := range 20 { // more than the older one has, so that its count is one that could be
			up.says(counting(i*960, 40))
		}
		time.Sleep(time.Second)
		p.settle()
		if away.resume() || away.ended.JSON["code"] != ReasonReplaced.Code || *away.b.closed != ReasonReplaced {
			t.Errorf("the older tab was told %v", away.ended)
		}
		p.settle()
		wantCounting(t, p.heard, 800)
		if away.heard = nil; !away.reload() { // by hand
			t.Error("the older tab could not take it back")
		}
		<-p.done
		p.cut(0)
		if p.resume() {
			t.Error("the newer tab took it back by itself")
		}
		away.leave()
	})
}

func TestResume_aSocketThatIsStuckIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.b.mu.Lock()
		p.b.room = 1000 // half-open: the kernel's buffer is full
		p.b.mu.Unlock()
		up.says(counting(0, 200))
		synctest.Wait()
		p.read = len(p.b.wire) - 1000
		old := *p
		at := time.Now()
		p.resume()
		if took := time.Since(at); took != 0 {
			t.Errorf("resuming waited %v for a connection that is dead", took)
		}
		p.settle()
		wantCounting(t, p.heard, 200)
		<-old.done
		p.leave()
	})
}

func TestResume_aReloadedPageStartsToCountAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.speak(tone(20, 16000))
		up.says(counting(0, 100), Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(2 * time.Second)
		p.settle()
		p.cut(0)
		p.heard = nil
		if !p.reload() {
			t.Fatal("the conversation did not go on")
		}
		if n := audioBytes(p.heard); n != 0 || p.resumed.JSON["received"] != 0.0 {
			t.Errorf("a page without history was repeated %d bytes: %v", n, p.resumed.JSON)
		}
		p.speak(tone(20, 16000))
		up.says(counting(0, 100))
		time.Sleep(time.Second)
		p.settle()
		wantCounting(t, p.heard, 100)
		if p.acked != 1 || p.covered != 0 {
			t.Errorf("%d messages are acknowledged and %d covered, of one", p.acked, p.covered)
		}
		p.cut(0)
		p.resume()
		up.says(counting(4800/2, 100))
		p.settle()
		wantCounting(t, p.heard, 200)
		p.leave()
	})
}

func TestResume_aPageReloadedInAPushToTalkActivityEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, up, _ := instance(t, nil)
		p := newPerson(t, g)
		p.start(`"vad":{"mode":"manual"}`)
		up.says(Event{Kind: EventReady})
		p.say(`{"type":"activity_start"}`)
		p.speak(tone(20, 16000))
		p.settle()
		p.cut(0)
		p.reload()
		p.settle()
		if got := kinds(up.got()); strings.Join(got, " ") != "start audio:640 end" {
			t.Errorf("the model got %v", got)
		}
		p.leave()
	})
}

func TestResume_nobodyCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.cut(0)
		if got := p.gateway.Stats(); got.Detached != 1 || got.Active != 1 {
			t.Errorf("stats: %+v", got)
		}
		sent := len(up.got())
		time.Sleep(DefaultConfig().Resume.Window - time.Second)
		if n := len(up.got()) - sent; n != 0 {
			t.Errorf("%d messages went up while nobody was there", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := p.gateway.Stats(); got.ByReason["browser_gone"] != 1 || got.Active != 0 {
			t.Errorf("stats: %+v", got)
		}
		p.resume()
		<-p.done
		last := p.b.heard()
		if m := find(last, "session_ended"); m == nil || m.JSON["reason"] != "browser_gone" || *p.b.closed != ReasonSessionNotFound {
			t.Errorf("a client that came too late heard %v and was closed with %v", last, p.b.closed)
		}
		time.Sleep(DefaultConfig().Resume.Window)
		p.resume()
		<-p.done
		if *p.b.closed != ReasonSessionNotFound {
			t.Errorf("closed with %v", p.b.closed)
		}
	})
}

func TestResume_anEndedSessionTellsHowItEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, nil)
		p.cut(0)
		p.gateway.End(p.id, false)
		synctest.Wait()
		p.resume()
		<-p.done
		if m := find(p.b.heard(), "session_ended"); m == nil || m.JSON["reason"] != "ended_by_operator" || *p.b.closed != ReasonEndedByOperator {
			t.Errorf("heard %v, closed with %v", p.b.heard(), p.b.closed)
		}
	})
}

func TestResume_refusals(t *testing.T) {
	for name, c := range map[string]struct {
		change func(p *person)
		want   Reason
	}{
		"no ticket":         {func(p *person) { p.ticket = "" }, ReasonUnauthorized},
		"forged":            {func(p *person) { p.ticket = p.ticket[:40] + "AAAA" + p.ticket[44:] }, ReasonUnauthorized},
		"another session's": {func(p *person) { p.id = strings.Repeat("0", 32) }, ReasonUnauthorized},
		"expired":           {func(*person) { time.Sleep(2 * time.Hour) }, ReasonUnauthorized},
		"never sent":        {func(p *person) { p.received += 1000 }, ReasonSessionNotFound},
		"negative":          {func(p *person) { p.received = -5 }, ReasonSessionNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, _, _ := talk(t, nil)
				good := *p
				p.cut(0)
				c.change(p)
				if p.resume() {
					t.Fatal("the conversation goes on")
				}
				<-p.done
				if *p.b.closed != c.want {
					t.Errorf("closed with %v, want %v", p.b.closed, c.want)
				}
				if name == "expired" {
					return
				}
				good.cutBy(p)
				if !good.resume() {
					t.Fatal("the refusal cost the person the conversation")
				}
				good.leave()
			})
		})
	}
}

// cutBy makes p, a copy from before, know that its connection is lost.
func (p *person) cutBy(o *person) { p.b, p.done, p.read = o.b, o.done, o.read }

func TestResume_anotherInstanceGoesOn(t *testing.T) {
	for _, drained := range []bool{true, false} {
		t.Run(fmt.Sprintf("drained %v", drained), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, up, _ := talk(t, nil)
				one := p.gateway
				two, up2, d2 := instance(t, nil)
				p.speak(tone(20, 16000))
				p.say(`{"type":"text","text":"first"}`)
				up.says(counting(0, 100), Event{Kind: EventTurnComplete})
				p.settle()
				up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: int64(len(up.got()))})
				time.Sleep(2 * time.Second)
				p.settle()
				p.say(`{"type":"text","text":"second"}`) // not in the handle
				p.settle()
				if p.covered != 2 || len(p.sent) != 1 {
					t.Fatalf("%d messages are covered, %d kept", p.covered, len(p.sent))
				}
				if drained {
					go one.Drain(t.Context()) //nolint:errcheck // its session ends in time
					<-p.done
					p.look()
					if *p.b.closed != ReasonServerDraining || p.ended.JSON["code"] != "server_draining" {
						t.Errorf("closed with %v after %v", p.b.closed, p.ended)
					}
				} else {
					p.cut(0)
					p.gateway = two
					for range elsewhereTries {
						if p.resume() {
							t.Fatal("a session that lives elsewhere was taken over at once")
						}
						<-p.done
						if *p.b.closed != ReasonSessionElsewhere {
							t.Fatalf("closed with %v", p.b.closed)
						}
					}
				}
				p.gateway, p.ended = two, nil
				if !p.resume() {
					t.Fatalf("the conversation did not go on: %v %v", p.ended, p.b.closed)
				}
				if got := p.resumed.JSON; got["upstream"] != "renewing" || got["lost"] != nil || got["received"] != 2.0 {
					t.Errorf("session_resumed: %v", got)
				}
				up2.says(Event{Kind: EventReady})
				p.settle()
				if got := d2.asked(); len(got) != 1 || got[0].Handle != "h" {
					t.Errorf("the second instance asked for %+v", got)
				}
				if got := up2.got(); len(got) != 1 || got[0].Text != "second" {
					t.Errorf("the second instance told the model %v", kinds(got))
				}
				up2.says(counting(0, 100), Event{Kind: EventTurnComplete})
				p.settle()
				if restarted := find(p.heard, "turn_restarted") != nil; restarted == drained {
					t.Errorf("turn_restarted: %v", restarted)
				}
				if m := p.heard[len(p.heard)-1].JSON["turn"].(map[string]any); m["index"] != 2.0 {
					t.Errorf("turn: %v", m)
				}
				p.leave()
				if p.ended.Type != "session_ended" {
					t.Errorf("ended with %v", p.ended)
				}
				if !drained {
					one.Drain(t.Context()) //nolint:errcheck // its session has nobody to wait for
				}
			})
		})
	}
}

func TestResume_aDrainLetsTheAnswerEndAndWaitsForItsHandle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(counting(0, 100))
		p.settle()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go p.gateway.Drain(ctx) //nolint:errcheck // it ends in time
		time.Sleep(time.Second)
		up.says(counting(2400, 100), Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete})
		time.Sleep(time.Second)
		select {
		case <-p.done:
			t.Fatal("the session ended before its handle had come")
		default:
		}
		up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		<-p.done
		p.look()
		wantCounting(t, p.heard, 200)
		if *p.b.closed != ReasonServerDraining {
			t.Errorf("closed with %v", p.b.closed)
		}
		opened, err := p.gateway.sealer.open(p.ticket, time.Now())
		if err != nil || opened.Handle != "h" || !opened.Released || opened.Answering {
			t.Errorf("the last ticket: handle %q, released %v, answering %v, %v", opened.Handle, opened.Released, opened.Answering, err)
		}
	})
}

func TestResume_aDrainDoesNotWaitLongerThanHalfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		up.says(counting(0, 100))
		p.settle()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		go p.gateway.Drain(ctx) //nolint:errcheck // it ends in time
		<-p.done
		if took := time.Since(begun); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("the session ended after %v", took)
		}
	})
}

func TestResume_theUpstreamWhileNobodyIsThere(t *testing.T) {
	t.Run("breaks", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			second := newMemUpstream()
			p, up, d := talk(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}} })
			up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
			p.settle()
			p.cut(0)
			second.says(Event{Kind: EventReady})
			up.ended <- io.ErrUnexpectedEOF
			time.Sleep(time.Second)
			if n := len(d.asked()); n != 2 {
				t.Fatalf("%d connections were opened", n)
			}
			p.resume()
			if got := p.resumed.JSON["upstream"]; got != "renewed" {
				t.Errorf("the upstream is %v", got)
			}
			p.leave()
		})
	})
	t.Run("goes away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			second := newMemUpstream()
			p, up, d := talk(t, func(_ *Config, d *memDialer) { d.later = []later{{up: second}} })
			up.says(Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
			p.settle()
			p.cut(0)
			up.says(Event{Kind: EventGoAway, TimeLeft: 10 * time.Second})
			time.Sleep(30 * time.Second)
			if n := len(d.asked()); n != 1 {
				t.Fatalf("%d connections were opened for nobody", n)
			}
			second.says(Event{Kind: EventReady})
			p.resume()
			if got := p.resumed.JSON["upstream"]; got != "renewing" {
				t.Errorf("the upstream is %v", got)
			}
			second.says(counting(0, 40))
			p.settle()
			wantCounting(t, p.heard, 40)
			p.leave()
		})
	})
}

func TestResume_aFullServerTakesItsOwnBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, func(c *Config, _ *memDialer) { c.Live.MaxSessions = 1 })
		p.cut(0)
		if other := newPerson(t, p.gateway); other.connect(false) {
			t.Error("a full server took another session")
		}
		stranger := newPerson(t, p.gateway)
		stranger.connect(true)
		stranger.b.say(`{"type":"start_session"}`)
		<-stranger.done
		if *stranger.b.closed != ReasonAtCapacity {
			t.Errorf("a stranger at the side door was closed with %v", stranger.b.closed)
		}
		if !p.resume() {
			t.Error("a full server did not take its own session back")
		}
		p.leave()
	})
}

func TestWindow_speechWaitsForAcknowledgements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, func(c *Config, _ *memDialer) { c.Audio.PlaybackLead = time.Hour })
		p.acknowledge()
		p.settle()
		for i := range 40 {
			up.says(counting(i*2400, 100))
		}
		p.settle()
		window := DefaultConfig().Audio.Window
		if n := audioBytes(p.heard); n > window || n < window/2 {
			t.Fatalf("%d bytes of speech were sent into a window of %d", n, window)
		}
		for audioBytes(p.heard) < 4000*48 {
			before := audioBytes(p.heard)
			p.acknowledge()
			p.settle()
			if audioBytes(p.heard) == before {
				t.Fatalf("acknowledging at %d bytes opened nothing", before)
			}
		}
		wantCounting(t, p.heard, 4000)
		up.says(counting(0, 4000))
		p.settle()
		up.says(Event{Kind: EventInterrupted})
		p.settle()
		if p.heard[len(p.heard)-1].Type != "interrupted" {
			t.Errorf("the interruption waits behind the window: %v", types(p.heard))
		}
		p.leave()
	})
}

func TestWindow_aClientThatStopsToAcknowledgeIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.acknowledge()
		p.settle()
		up.says(counting(0, 2000))
		time.Sleep(DefaultConfig().Limits.WriteTimeout + time.Second)
		<-p.done
		if *p.b.closed != ReasonSlowClient {
			t.Errorf("closed with %v", p.b.closed)
		}
		p.look()
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

func TestResume_whatIsNotKeptAnyMoreIsToldExactly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, func(c *Config, _ *memDialer) { c.Audio.PlaybackLead = time.Hour })
		p.settle()
		before := p.received
		for i := range 40 { // 1.9 MB that a client which never acknowledges lets pile up
			up.says(counting(i*24000, 1000))
		}
		synctest.Wait()
		p.cut(0)
		p.resume()
		p.settle()
		got := audioBytes(p.heard)
		if p.skipped == 0 || p.received != before+40 || got != (40-int(p.skipped))*48000 {
			t.Errorf("%d messages were skipped; %d were counted after %d; %d bytes came", p.skipped, p.received, before, got)
		}
		p.leave()
		if c := p.gateway.Stats().Counters; c.DownlinkSkipped != p.skipped {
			t.Errorf("the server counted %d skipped messages, the client %d", c.DownlinkSkipped, p.skipped)
		}
	})
}

func TestResume_ticketsAreRenewedAtHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := talk(t, func(c *Config, _ *memDialer) { c.Limits.IdleTimeout, c.Limits.MaxDuration = 3*time.Hour, 3*time.Hour })
		old := p.ticket
		time.Sleep(31 * time.Minute)
		p.settle()
		if p.ticket == old {
			t.Error("no new ticket came within half of the old one's life")
		}
		p.leave()
	})
}

// Where nobody tells what a handle holds, the newest audio before it is repeated, but no text that has been answered.
func TestResume_aTextThatTheHandleKnowsIsNotGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		p.speak(tone(20, 16000))
		p.say(`{"type":"text","text":"known"}`)
		p.speak(tone(20, 16000))
		p.settle()
		time.Sleep(time.Second)
		up.says(counting(0, 40), Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(2 * time.Second)
		p.settle()
		go p.gateway.Drain(t.Context()) //nolint:errcheck // its session ends in time
		<-p.done
		p.look()
		two, up2, _ := instance(t, nil)
		p.gateway = two
		if !p.resume() || len(p.sent) != 3 {
			t.Fatalf("%d messages are kept: %v", len(p.sent), p.ended)
		}
		up2.says(Event{Kind: EventReady})
		p.settle()
		if got := strings.Join(kinds(up2.got()), " "); got != "audio:1280" && got != "audio:640 audio:640" { // joined when the sender is late
			t.Errorf("the second instance told the model %s", got)
		}
		p.leave()
	})
}

// A ticket whose handle knows an answer must not overtake that answer: whoever goes on with it hears nothing of it again.
func TestResume_aTicketComesBehindTheAnswerThatItsHandleKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, up, _ := talk(t, nil)
		before := p.ticket
		for i := range 100 { // 10 s, of which playback_lead are sent at once
			up.says(counting(i*2400, 100))
		}
		up.says(Event{Kind: EventGenerationComplete}, Event{Kind: EventTurnComplete}, Event{Kind: EventResumption, Handle: "h", Resumable: true, Consumed: -1})
		time.Sleep(3 * time.Second)
		p.settle()
		if p.ticket != before {
			t.Error("the ticket came before the answer")
		}
		p.cut(0)
		p.resume()
		handle := func() string {
			opened, err := p.gateway.sealer.open(p.ticket, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return opened.Handle
		}
		if h := handle(); h != "" {
			t.Errorf("the first ticket of the next connection has the handle %q", h)
		}
		time.Sleep(10 * time.Second)
		p.settle()
		wantCounting(t, p.heard, 10_000)
		if h := handle(); h != "h" {
			t.Errorf("with the answer came a ticket with the handle %q", h)
		}
		p.leave()
	})
}
