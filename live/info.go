package live

import "time"

// Info describes the session to its operator.
func (s *Session) Info() SessionInfo {
	r := s.record()
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	l := &s.life
	info := SessionInfo{
		ID:         s.id,
		State:      l.state(),
		Backend:    s.backend.Name,
		Simulated:  s.backend.Simulated,
		Model:      l.plan.setup.Model.ID,
		Voice:      l.plan.setup.Voice,
		Assistant:  l.plan.assistant,
		UserID:     l.plan.userID,
		Address:    s.client.Address,
		StartedAt:  s.created,
		DurationMs: milliseconds(time.Since(s.created)),
		Counters:   r.counters,
		Usage:      totals(r.usage),
	}
	if l.startup > 0 {
		info.StartupMs = milliseconds(l.startup)
	}
	return info
}

// record gathers the session's figures, part by part: no two locks are held together. What the conversation was on other
// instances is not in them: it is in theirs.
func (s *Session) record() record {
	r := record{backend: s.backend.Name}
	s.in.mu.Lock()
	r.counters.addUplink(s.in.counters)
	samples, givenUp := s.in.samples, s.in.givenUp
	s.in.mu.Unlock()
	s.out.mu.Lock()
	r.counters.addDownlink(s.out.counters)
	s.out.mu.Unlock()
	silence := s.up.silence.Load()
	s.turns.mu.Lock()
	r.counters.Turns = s.turns.index - s.turns.before
	r.counters.DownlinkDroppedMs += milliseconds(s.discarded)
	s.turns.mu.Unlock()
	s.life.mu.Lock()
	defer s.life.mu.Unlock()
	r.assistant = s.life.plan.assistant
	if rate := s.life.plan.setup.InputRate; rate > 0 {
		r.counters.UplinkAudioMs = samples * 1000 / int64(rate)
		r.counters.GivenUpAudioMs = givenUp * 1000 / 2 / int64(rate)
		r.counters.SilenceMs = silence * 1000 / 2 / int64(rate)
	}
	r.counters.Warnings = s.life.warnings
	if spent := s.life.spent; spent != nil {
		r.counters.add(spent.counters)
		r.usage = s.life.usage()
		r.usage.Sub(spent.before)
	}
	if end := s.life.ending; end != nil {
		r.reason = end.reason.Code
	}
	return r
}

// logEnd writes the one line of a session that has ended.
func (s *Session) logEnd() {
	r := s.record()
	s.life.mu.Lock()
	l, end := &s.life, s.life.ending
	args := []any{
		"reason", end.reason.Code,
		"durationMs", milliseconds(end.at.Sub(s.created)),
		"model", l.plan.setup.Model.ID,
		"address", s.client.Address,
		"trace", s.client.Trace,
		"counters", r.counters,
		"usage", totals(r.usage),
	}
	if l.startup > 0 {
		args = append(args, "startupMs", milliseconds(l.startup))
	}
	if end.detail != "" {
		args = append(args, "detail", end.detail)
	}
	if l.cause != nil {
		args = append(args, "cause", l.cause.Error())
	}
	reason := end.reason
	s.life.mu.Unlock()
	switch reason {
	case ReasonInternal, ReasonUpstreamAuth:
		s.log().Error("session ended", args...)
	case ReasonUpstreamUnavailable, ReasonUpstreamQuota, ReasonUpstreamRejected, ReasonSlowClient:
		s.log().Warn("session ended", args...)
	default:
		s.log().Info("session ended", args...)
	}
}
