package live

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// The same conversations by chance, over browser connections that are cut at any byte, taken over by others, and moved to
// another instance: by a drain, or with a ticket while the first instance still has the session. The lineage that
// survived must hold everything as before, and the person must hear each answer as before.
func TestModel_browsersThatComeAndGo(t *testing.T) {
	for seed := range uint64(150) {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, exact %v", seed, exact), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { roam(t, seed, exact, false) })
			})
		}
	}
}

// The same with hardly any speech that is kept: what is lost of it is told by several instances, but the texts are all there, once.
func TestModel_browsersThatComeAndGoWithHardlyAnySpeechKept(t *testing.T) {
	for seed := range uint64(25) {
		for _, exact := range []bool{true, false} {
			t.Run(fmt.Sprintf("seed %d, exact %v", seed, exact), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { roam(t, seed, exact, true) })
			})
		}
	}
}

// traveller is a person on the move.
type traveller struct {
	*person
	w     *world
	rng   *rand.Rand
	cfg   Config
	all   []*Gateway
	drain []chan struct{}
}

// instance is the instance of the server where the conversation is from now on: a new one, or, now and then, one that
// it was on before, and that may have an older branch of it.
func (v *traveller) instance() *Gateway {
	v.w.mu.Lock()
	defer v.w.mu.Unlock()
	if len(v.all) > 0 && v.rng.IntN(2) == 0 {
		if n := v.rng.IntN(len(v.all)); n+1 != v.w.here && !v.all[n].Draining() {
			v.w.here = n + 1
			return v.all[n]
		}
	}
	v.w.here = len(v.all) + 1
	d := &worldDialer{v.w, v.w.here}
	v.all = append(v.all, NewGateway(v.cfg, []Backend{{Name: BackendGemini, Workflow: "gemini-live", Dialer: d}}, slog.New(slog.DiscardHandler)))
	return v.all[v.w.here-1]
}

// worldDialer is one instance's way to the world: what a session that was left behind does there does not matter. Where a
// conversation came to an instance, no transcript tells its beginning: when an upstream breaks there after an answer that
// the newest handle does not know, the model remembers everything but that turn.
type worldDialer struct {
	*world
	instance int
}

func (d *worldDialer) Dial(ctx context.Context, s Setup) (Upstream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	u, err := d.dial(s)
	if err != nil {
		return nil, err
	}
	u.at = d.instance
	if d.instance == d.here {
		if before := d.up; before != nil && before.at == d.instance && d.moved && before.over && s.Handle != "" {
			turn := len(before.atStart.units) + 2*20*8 // two frames may have crossed the answer's beginning
			d.forgot.units = append(d.forgot.units, before.memory.units[:min(turn, len(before.memory.units))]...)
			d.forgot.texts = append(d.forgot.texts, before.atStart.texts...)
		}
		d.up = u
	}
	return u, nil
}

func roam(t *testing.T, seed uint64, exact, brief bool) {
	rng := rand.New(rand.NewPCG(seed, 17))
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 18)), exact: exact, handles: map[string]lineage{}, reliable: true}
	cfg := DefaultConfig()
	cfg.Resume.Keys = []string{sharedKey}
	cfg.Live.ConnectTimeout = 5 * time.Minute
	cfg.Live.ClientMaySet = ClientFields()
	cfg.Resume.Watchdog = 0 // this model is slow to answer, and an instance that has adopted a conversation has no transcript of it
	if brief {
		w.brief, cfg.Resume.ReplayAudio = true, 200*time.Millisecond
	}
	v := &traveller{w: w, rng: rng, cfg: cfg}
	v.person = newPerson(t, v.instance())
	v.start(`"model":"gemini-3.8-live"`)
	v.settle()

	units := uint32(firstUnit)
	var texts []string
	voice, instruction := cfg.Assistants[0].Voice, cfg.Assistants[0].SystemInstruction // the last that was asked for
	for range 150 {
		switch n := rng.IntN(113); {
		case n < 55:
			ms := 20
			pcm := make([]byte, 0, ms*32)
			for range ms * 8 {
				pcm = binary.LittleEndian.AppendUint32(pcm, units)
				units++
			}
			v.speak(pcm)
			time.Sleep(20 * time.Millisecond)
		case n < 59:
			texts = append(texts, fmt.Sprintf("text %d", len(texts)))
			v.say(fmt.Sprintf(`{"type":"text","text":%q}`, texts[len(texts)-1]))
		case n < 77:
			w.speakPiece()
		case n < 85:
			w.mu.Lock()
			speaking := w.up.answer != 0
			w.mu.Unlock()
			if speaking {
				w.endTurn(rng.IntN(4) != 0)
			}
		case n < 87:
			w.current().says(Event{Kind: EventGoAway, TimeLeft: time.Duration(rng.IntN(20)) * time.Second})
		case n < 89:
			select {
			case w.current().ended <- io.ErrUnexpectedEOF:
			default:
			}
		case n < 92:
			time.Sleep(time.Duration(rng.IntN(3000)) * time.Millisecond)
		case n < 96:
			if v.connected() {
				v.look()
				v.acknowledge()
			}
		case n < 98:
			voice = cfg.Live.Voices[rng.IntN(3)]
			v.say(fmt.Sprintf(`{"type":"update_session","config":{"voice":%q}}`, voice))
		case n < 99:
			instruction = fmt.Sprintf("instruction %d", rng.IntN(3))
			v.say(fmt.Sprintf(`{"type":"update_session","config":{"systemInstruction":%q}}`, instruction))
		default:
			v.travel()
		}
		if rng.IntN(3) != 0 {
			synctest.Wait()
		}
		if v.connected() && rng.IntN(3) == 0 {
			v.settle()
		}
	}
	v.comeBack()
	v.settle()
	if w.current().answer != 0 { // which holds an update back
		w.endTurn(true)
	}
	time.Sleep(30 * time.Second)
	v.settle()
	v.leave()
	for _, d := range v.drain {
		<-d
	}
	time.Sleep(cfg.Resume.Window + time.Minute) // of sessions that were left behind
	synctest.Wait()                             // what they wrote is read from here on
	if v.ended == nil || v.ended.Type != "session_ended" || v.skipped != 0 {
		t.Errorf("the conversation ended with %v; %d messages were skipped", v.ended, v.skipped)
	}
	if up := w.current(); up.voice != voice || up.instruction != instruction {
		t.Errorf("the model speaks as %s and was told %q, want %s and %q", up.voice, up.instruction, voice, instruction)
	}
	told := v.gateway.Stats().Counters
	if brief {
		told.LostAudioMs = math.MaxInt32
	}
	w.checkUplink(units, texts, told)
	checkDownlink(t, v.heard)
}

func (p *person) connected() bool {
	select {
	case <-p.done:
		return false
	default:
		return p.resumed != nil || p.id != ""
	}
}

// travel changes how the person is connected.
func (v *traveller) travel() {
	switch {
	case !v.connected():
		v.comeBack()
	case v.rng.IntN(6) == 0: // another connection takes over, the old one not being closed
		old := v.done
		v.settle()
		v.comeBack()
		<-old
	case v.rng.IntN(5) == 0 && v.w.handed():
		v.move(v.rng.IntN(2) == 0)
	default:
		v.cut(v.rng.IntN(3000))
	}
}

// move takes the conversation to another instance, because its own one ends, or because the way there is lost.
func (v *traveller) move(drained bool) {
	old := v.gateway
	if drained {
		over := make(chan struct{})
		v.drain = append(v.drain, over)
		go func() {
			defer close(over)
			ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
			defer cancel()
			if err := old.Drain(ctx); err != nil {
				v.t.Errorf("drain: %v", err)
			}
		}()
		<-v.done
		v.look()
		v.ended = nil // server_draining
	} else {
		v.cut(v.rng.IntN(3000))
	}
	v.gateway = v.instance()
	v.w.mu.Lock()
	v.w.moved = true
	v.w.mu.Unlock()
	v.comeBack()
}

// comeBack resumes, as often as it takes.
func (v *traveller) comeBack() {
	if v.connected() && v.rng.IntN(2) == 0 {
		v.cut(0)
	}
	for range 10 {
		if v.resume() {
			v.ended = nil
			return
		}
		<-v.done
		time.Sleep(100 * time.Millisecond)
	}
	v.t.Fatalf("the conversation could not be resumed: %v", v.ended)
}
