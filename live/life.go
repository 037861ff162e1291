package live

import (
	"sync"
	"time"
)

// life is the cold part of a session: what it is, how it stands, why it ended, and the callbacks of its timers.
type life struct {
	mu          sync.Mutex
	browser     browserState
	upstream    upstreamState
	plan        *plan         // what the next connection to the upstream will be asked for; never changed, as all plans
	begun       time.Time     // the conversation began, here or on another instance
	startup     time.Duration // until the upstream was ready; 0: it has not been
	spent       *spent        // nil: nothing yet
	usageUntold bool          // since it was last told
	warnings    int64

	link       *link         // the newest connection of the browser
	detachedAt time.Time     // when the last one was lost
	arrived    chan struct{} // while detached: closed when a connection is attached
	renewed    string        // how the upstream was renewed since then: renewed or fresh; empty: it was not
	drainBy    time.Time     // zero: the server does not end

	point    point     // where another instance can go on
	recounts int64     // how often counting has begun anew, because a page without history came
	ticketAt time.Time // when the newest ticket was made
	stale    bool      // the newest ticket does not hold the point

	ending *ending // nil: there is no reason to end
	cause  error   // for the log

	closed    bool
	callbacks sync.WaitGroup // added to with mu held while not closed
}

// ending is why a session ends, and since when.
type ending struct {
	at     time.Time
	reason Reason
	detail string // a sentence for the person; empty: the reason's own
	field  string
}

// spent is what a session counts that has to do with a model that answers. Most idle sessions have none.
type spent struct {
	counters Counters
	now      Usage // tokens of the connection in use
	past     Usage // and of those before it
	before   Usage // and of those, the ones of other instances
}

// spend is where to count. Called with mu held.
func (l *life) spend() *spent {
	if l.spent == nil {
		l.spent = new(spent)
	}
	return l.spent
}

// usage is the session's total. Called with mu held.
func (l *life) usage() Usage {
	if l.spent == nil {
		return Usage{}
	}
	u := l.spent.past
	u.Add(l.spent.now)
	return u
}

// end gives the session its reason to end; the first one stays. Called with mu held.
func (l *life) end(r Reason, detail, field string, cause error) {
	if l.ending != nil {
		return
	}
	l.ending, l.cause = &ending{time.Now(), r, detail, field}, cause
	l.move(eventEnd)
}

// count changes the counters that no other part of the session keeps.
func (s *Session) count(change func(*Counters)) {
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	change(&s.life.spend().counters)
}

// enter lets a timer's callback work on the session until leave; false: the session is over.
func (l *life) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.callbacks.Add(1)
	return true
}

func (l *life) leave() { l.callbacks.Done() }

// close lets no callback begin any more and waits for those that have.
func (l *life) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.callbacks.Wait()
}

// tick is the function of the session's one timer: it looks at every deadline and comes back for the earliest.
func (s *Session) tick() {
	if !s.life.enter() {
		return
	}
	defer s.life.leave()
	s.timerMu.Lock()
	s.timerAt = 0
	s.timerMu.Unlock()
	now := time.Now()
	limits := s.config.Limits
	s.life.mu.Lock()
	begun := s.life.begun
	s.life.mu.Unlock()
	next := limits.MaxDuration - now.Sub(begun)
	if next <= 0 {
		s.end(ReasonMaxDuration, "")
		return
	}
	if notice := next - limits.ExpiryNotice; notice > 0 {
		next = notice
	} else if !s.expiryTold.Swap(true) {
		s.out.notice(ExpiringNotice{milliseconds(next)})
	}
	idle := limits.IdleTimeout - now.Sub(time.Unix(0, s.lastActive.Load()))
	if idle <= 0 {
		s.end(ReasonIdleTimeout, "")
		return
	}
	next = min(next, idle)
	away, attached := s.away(now)
	if away <= 0 {
		return
	}
	next = min(next, away, s.renewTicket(now), s.relieve())
	if s.live.Load() && attached {
		next = min(next, s.keepAlive(now), s.guard(now))
	}
	next = min(next, s.updateDue(now))
	if !attached { // nothing goes up, and the calls get the time that nobody was there
		s.tickSoon(next)
		return
	}
	answers, oldest := s.tools.overdue(now.Add(-s.config.Tools.Timeout))
	if len(answers) > 0 {
		s.out.notice(WarningNotice{Code: "tool_timeout", Message: "A tool call was not answered in time; the model was told so."})
		if !s.in.insert(&Command{Kind: CommandToolResponse, Responses: answers}) {
			s.end(ReasonRateLimited, "More messages are waiting for the model than are kept.")
			return
		}
		s.sendUp(false)
	}
	if !oldest.IsZero() {
		next = min(next, oldest.Add(s.config.Tools.Timeout).Sub(now)+time.Millisecond)
	}
	s.tickSoon(next)
}

// tickSoon makes the timer look again in d at the latest.
func (s *Session) tickSoon(d time.Duration) {
	at := s.at(time.Now()) + d
	s.timerMu.Lock()
	defer s.timerMu.Unlock()
	if s.timerAt != 0 && s.timerAt < at {
		return // it comes earlier anyway, and may be about to
	}
	s.timerAt = at
	s.timer.Reset(d)
}
