package live

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// reconnect dials until a connection is ready. In a row of connections that end before they have lived it takes no longer than
// live.connect_timeout altogether, the time that they stand not counted. nil: the session has a reason to end.
func (s *Session) reconnect() Upstream {
	n := &s.next
	began := time.Now()
	defer func() { n.spent += time.Since(began) }()
	ctx, cancel := s.dialling(s.config.Live.ConnectTimeout - n.spent + n.patience)
	defer cancel()
	for {
		if n.attempts > 0 && !pause(ctx, backoff(n.attempts)) {
			s.outOfTime(ctx, nil)
			return nil
		}
		n.attempts++
		setup := s.nextSetup()
		up, err := s.backend.Dialer.Dial(ctx, setup)
		if err == nil {
			s.up.own(up)
			if err = s.awaitSetup(ctx, up); err == nil {
				n.resumed = setup.Handle != ""
				if !n.resumed && n.handle != "" {
					s.forgoHandle()
				}
				if !n.resumed {
					n.seed = n.transcript
					s.history.mark()
				}
				s.tellForgotten()
				return up
			}
			s.up.close()
			if setup.Handle != "" && asUpstreamError(err).Fault == FaultBroken {
				n.sour++
			}
		}
		switch {
		case ctx.Err() != nil:
			s.outOfTime(ctx, err)
			return nil
		case asUpstreamError(err).Fault == FaultDeadHandle && setup.Handle != "":
			// Not an attempt that failed: what it knew is in the transcript.
			n.attempts--
			s.forgoHandle()
			s.dropPoint()
			s.log().Info("the resumption handle is dead; the next connection is seeded with the transcript")
		case s.takeBack(err):
			n.attempts--
		case !s.heals(err):
			return nil
		}
	}
}

// setupPatience is how long one attempt waits for its setup to be accepted: that takes 0.1 to 2 s, and sometimes more, behind the two
// seconds that a connection from the pool is given which may be dead.
const setupPatience = 7 * time.Second

// awaitSetup is awaitReady for one attempt of several.
func (s *Session) awaitSetup(ctx context.Context, up Upstream) error {
	ctx, cancel := context.WithTimeout(ctx, min(setupPatience, s.config.Live.ConnectTimeout/2))
	defer cancel()
	return awaitReady(ctx, up)
}

// A handle of which this many connections in a row came to nothing is suspected: they were accepted and ended before they
// had lived. Two are not enough, because Gemini refuses a handle in this way while the old connection is still open.
const suspicious, verySuspicious = 3, 5

// nextSetup is what the next attempt asks for: the handle, where there is one. Where it is suspected one attempt, once, is
// made without it, seeded with the transcript; if that comes to nothing too, it was not the handle's fault. Where there is
// no transcript of the conversation that takes more, because the model would remember nothing.
func (s *Session) nextSetup() Setup {
	n := &s.next
	setup := s.draw()
	limit := suspicious
	switch {
	case n.patience > 0: // refused as long as the instance that had the conversation holds on to it
		limit = math.MaxInt
	case s.remembered() || s.turns.count() == 0 && !s.adopted:
	default:
		limit = verySuspicious
	}
	if n.handle != "" && (n.sour < limit || n.spared) {
		setup.Handle = n.handle
		return setup
	}
	n.spared = n.handle != ""
	setup.History = s.history.all()
	return setup
}

// outOfTime ends the session unless it has ended already.
func (s *Session) outOfTime(ctx context.Context, err error) {
	if s.ctx.Err() == nil && ctx.Err() != nil {
		s.endWith(ReasonUpstreamUnavailable, "The connection to the model broke and could not be renewed within "+s.config.Live.ConnectTimeout.String()+".", "", err)
	}
}

// backoff is how long to wait before another attempt.
func backoff(attempts int) time.Duration {
	d := min(maxBackoff, firstBackoff<<min(attempts-1, 10))
	return d + rand.N(d/2) //nolint:gosec // chance that spreads attempts, not a secret
}

// pause waits, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
