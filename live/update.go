package live

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"
)

// A client changes the setup in mid-conversation with update_session. A connection keeps the setup that it was opened with, so
// an update is in effect once the connection was renewed: at a turn's end, when no tool call is open and the newest handle knows
// what was said. Updates that come before that join. Another system instruction alone needs no renewal where the model takes
// contextUpdate. What the upstream refuses is taken back.

// updates is what becomes of them. But for woken and behind it is guarded by life.mu.
type updates struct {
	tried   *plan         // what the newest connection was asked for
	given   *plan         // what the connection in use was asked for; before the first: what start_session was
	pending bool          // the plan is another than what was given
	untold  bool          // an update was accepted and the client has not been answered
	since   time.Duration // the connection in use was set up, as the watchdog counts

	woken  atomic.Pointer[Upstream] // the connection that was given up for an update
	behind atomic.Int64             // since when (Unix nanoseconds) the newest handle does not know everything; 0: it does
}

const (
	// handlePatience is how long after a turn an update waits for the handle that knows the turn: models give it at once.
	handlePatience = time.Second
	// turnPatience is how long an update waits for the end of a turn of which nothing more comes: it comes when the answer was
	// played, or never.
	turnPatience = 30 * time.Second
	// updatePause is the shortest life of a connection that is given up for an update.
	updatePause = time.Second
	// updateLook is how often a session that waits for such a moment looks whether it has come.
	updateLook = 250 * time.Millisecond
)

// updatable are the fields of start_session.config that may change in mid-conversation. The others decide what the audio is,
// who answers, and whose conversation it is.
var updatable = []string{"voice", "language", "systemInstruction", "vad", "transcription"}

func decodeUpdate(data []byte, c *Command) error {
	var m struct {
		Config json.RawMessage `json:"config"`
	}
	if err := json.Unmarshal(data, &m); err != nil || !isObject(m.Config) {
		return badMessage("An update_session needs an object \"config\"; nothing was changed.")
	}
	return decodeChanges(m.Config, c)
}

func decodeSetLanguage(data []byte, c *Command) error {
	var m struct {
		Language *string `json:"language"`
	}
	if err := json.Unmarshal(data, &m); err != nil || m.Language == nil {
		return badMessage("A set_language needs a string \"language\"; nothing was changed.")
	}
	update := &StartConfig{Language: m.Language}
	c.Kind, c.Update = CommandUpdate, update
	return harmless(update.check())
}

func decodeChanges(config json.RawMessage, c *Command) error {
	update := new(StartConfig)
	if err := json.Unmarshal(config, update); err != nil {
		field := wrongField(err, "config")
		return harmless(fatal(ReasonBadConfig, field, fmt.Sprintf("%s has the wrong type.", field)))
	}
	c.Kind, c.Update = CommandUpdate, update
	return harmless(update.check())
}

// harmless makes a warning of what would end a connection that starts.
func harmless(err error) error {
	if err == nil {
		return nil
	}
	m := *asMessageError(err)
	m.Ends, m.Message = nil, m.Message+" Nothing was changed."
	return &m
}

// with is c with what u sets. It shares nothing with c that anybody changes.
func (c StartConfig) with(u *StartConfig) StartConfig {
	set(&c.Voice, u.Voice)
	set(&c.Language, u.Language)
	set(&c.SystemInstruction, u.SystemInstruction)
	if t := u.Transcription; t != nil {
		merged := or(c.Transcription, TranscriptionConfig{})
		set(&merged.Input, t.Input)
		set(&merged.Output, t.Output)
		c.Transcription = &merged
	}
	if v := u.VAD; v != nil {
		merged := or(c.VAD, VADConfig{})
		set(&merged.Mode, v.Mode)
		set(&merged.StartSensitivity, v.StartSensitivity)
		set(&merged.EndSensitivity, v.EndSensitivity)
		set(&merged.PrefixPaddingMs, v.PrefixPaddingMs)
		set(&merged.SilenceDurationMs, v.SilenceDurationMs)
		set(&merged.Interruptible, v.Interruptible)
		c.VAD = &merged
	}
	return c
}

// set makes p what v is, if that is set.
func set[T any](p **T, v *T) {
	if v != nil {
		*p = v
	}
}

// revise is a plan with what an update changes. The error is a *MessageError that ends nothing.
func revise(cfg *Config, backend string, old *plan, u *StartConfig) (plan, error) {
	changed := u.asked()
	for _, f := range changed {
		if !slices.Contains(updatable, f) {
			return plan{}, harmless(fatal(ReasonNotAllowed, f, fmt.Sprintf("%s cannot be changed in mid-conversation.", f)))
		}
		if !slices.Contains(cfg.Live.ClientMaySet, f) {
			return plan{}, harmless(fatal(ReasonNotAllowed, f, fmt.Sprintf("This server does not let clients set %s.", f)))
		}
	}
	asked := old.asked.with(u)
	p, err := resolve(cfg, backend, &asked)
	if err != nil {
		return plan{}, harmless(err)
	}
	if old.resumable && !p.resumable {
		return plan{}, harmless(fatal(ReasonBadConfig, "systemInstruction", "The conversation would be configured with more than a resume ticket can hold."))
	}
	p.warnings = slices.DeleteFunc(p.warnings, func(w WarningNotice) bool { return !slices.Contains(changed, w.Field) })
	return p, nil
}

// update carries out update_session, and reports whether something has to go up for it. Called with mic.mu held.
func (s *Session) update(u *StartConfig) (send bool) {
	old := s.plan()
	p, err := revise(s.config, s.backend.Name, old, u)
	if err == nil && s.mic.activity && p.setup.VAD.Manual != old.setup.VAD.Manual {
		err = harmless(fatal(ReasonNotAllowed, "vad.mode", "vad.mode cannot be changed while an activity is open."))
	}
	if err != nil {
		m := asMessageError(err)
		s.warn(WarningNotice{Code: m.Code, Message: m.Message, Field: m.Field})
		return false
	}
	for _, w := range p.warnings {
		s.warn(w)
	}
	s.log().Info("the session was asked to change", "fields", u.asked())
	s.life.mu.Lock()
	s.life.plan, s.life.stale = &p, true // the ticket has to know
	s.updates.untold = true
	s.life.mu.Unlock()
	s.tickSoon(ticketPause)
	return s.settle()
}

// settle answers updates that are in effect, and sees to it that the others will be. It reports whether something has to go
// up for that.
func (s *Session) settle() (send bool) {
	s.life.mu.Lock()
	want, have := s.life.plan, s.updates.given
	s.updates.pending = want != have && !reflect.DeepEqual(want.setup, have.setup)
	live := s.life.upstream == upstreamLive
	told := live && s.updates.untold && !s.updates.pending
	instructs := live && s.updates.pending && instructionOnly(have.setup, want.setup)
	if instructs {
		s.updates.given, s.updates.pending = want, false
		told = s.updates.untold
	}
	if told {
		s.updates.untold = false
	}
	pending := s.updates.pending
	s.life.mu.Unlock()

	if instructs {
		if !s.in.insert(&Command{Kind: CommandInstruction, Text: want.setup.SystemInstruction}) {
			s.end(ReasonRateLimited, "More messages are waiting for the model than are kept.")
			return false
		}
	}
	if told {
		s.out.notice(UpdatedNotice{Model: want.setup.Model.ID, Voice: want.setup.Voice, Language: orAuto(want.setup.Language)})
	}
	if pending && live {
		s.tickSoon(0)
	}
	return instructs
}

// instructionOnly reports whether the model can be told by contextUpdate what has changed. An instruction cannot be taken
// away in that way.
func instructionOnly(from, to Setup) bool {
	if !to.Model.ContextUpdate || to.SystemInstruction == "" {
		return false
	}
	from.SystemInstruction = to.SystemInstruction
	return reflect.DeepEqual(from, to)
}

// draw is what the next connection is asked for. It is called by the owner of the upstream.
func (s *Session) draw() Setup {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	s.updates.tried = s.life.plan
	return s.updates.tried.setup
}

// takeBack gives updates up that made the upstream refuse a connection. It reports whether there were any: then another
// attempt is worth it. It is called by the owner of the upstream.
func (s *Session) takeBack(err error) bool {
	refusal := asUpstreamError(err)
	s.mic.mu.Lock() // no update comes in between
	defer s.mic.mu.Unlock()
	s.life.mu.Lock()
	if refusal.Fault != FaultRejected || reflect.DeepEqual(s.updates.tried.setup, s.updates.given.setup) {
		s.life.mu.Unlock()
		return false
	}
	s.life.plan, s.life.stale = s.updates.given, true
	s.updates.pending, s.updates.untold = false, false
	s.life.mu.Unlock()
	s.log().Info("the model refused what the session was asked to change", "error", err)
	s.warn(WarningNotice{Code: ReasonBadConfig.Code, Message: "The model refused the change, and it was taken back: " + refusal.Detail})
	return true
}

// inEffect notes that the upstream accepted what it was asked for, which it returns. It is called by the owner of the upstream,
// before anything may be sent.
func (s *Session) inEffect() *plan {
	s.mic.mu.Lock()
	defer s.mic.mu.Unlock()
	s.life.mu.Lock()
	p := s.updates.tried
	s.updates.given, s.updates.since = p, s.at(time.Now())
	s.life.mu.Unlock()
	s.updates.woken.Store(nil)
	s.updates.behind.Store(0)
	if manual := p.setup.VAD.Manual; manual != s.mic.manual {
		s.switchMode(manual)
	}
	return p
}

// switchMode makes what has yet to go up, and what the client sends from now on, fit another way of marking speech. Called with
// mic.mu held while nothing is sent.
func (s *Session) switchMode(manual bool) {
	m := &s.mic
	m.manual = manual
	if manual {
		m.releasing = false
		s.in.enclose()
		return
	}
	m.releasing = m.activity
	m.activity = false
	s.in.unmark()
}

// note takes down what the newest handle does not know. It is called by the owner of the upstream for every event.
func (u *updates) note(e *Event) {
	switch e.Kind {
	case EventAudio, EventText:
		if u.behind.Load() == 0 {
			u.behind.Store(time.Now().UnixNano())
		}
	case EventGenerationComplete, EventTurnComplete:
		u.behind.Store(time.Now().UnixNano())
	case EventResumption:
		if e.Resumable && e.Handle != "" {
			u.behind.Store(0)
		}
	}
}

// updatesNow reports whether an event lets a pending update happen: a handle that knows everything.
func (s *Session) updatesNow(e *Event) bool {
	if e.Kind != EventResumption || !e.Resumable || e.Handle == "" {
		return false
	}
	s.turns.mu.Lock()
	defer s.turns.mu.Unlock()
	return s.updateWaits(time.Now()) == 0
}

// updateDue gives the connection up when an update is pending and nothing is going on. It returns when to look again.
func (s *Session) updateDue(now time.Time) time.Duration {
	up := s.up.owned.Load()
	s.turns.mu.Lock() // no answer begins in between
	defer s.turns.mu.Unlock()
	if wait := s.updateWaits(now); wait > 0 || up == nil {
		return max(wait, time.Millisecond)
	}
	s.updates.woken.Store(up)
	(*up).Wake()
	return updateLook
}

// never is later than any session lives.
const never = 1000 * time.Hour

// updateWaits is how long a pending update has to wait at least; 0: no longer. Called with turns.mu held.
func (s *Session) updateWaits(now time.Time) time.Duration {
	s.life.mu.Lock()
	pending := s.updates.pending && s.life.upstream == upstreamLive && s.life.browser == browserAttached
	since := s.updates.since
	s.life.mu.Unlock()
	t := &s.turns
	switch {
	case !pending || s.draining.Load():
		return never
	case !s.tools.none():
		return updateLook
	case t.open && !t.generated && s.at(now)-time.Duration(s.watch.answered.Load()) < turnPatience:
		return updateLook // unless the answer has fallen silent for good
	}
	wait := updatePause - (s.at(now) - since)
	if behind := s.updates.behind.Load(); behind != 0 {
		patience := handlePatience
		if t.open {
			patience = turnPatience
		}
		wait = max(wait, patience-now.Sub(time.Unix(0, behind)))
	}
	return max(0, wait)
}

// forUpdate reports whether the connection in use was given up for an update: by receive, whose error is then nil, or by
// waking it.
func (s *Session) forUpdate(err error) bool {
	woken := s.updates.woken.Swap(nil)
	return err == nil || woken != nil && woken == s.up.owned.Load()
}
