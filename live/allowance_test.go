package live

import (
	"testing"
	"time"
)

// What comes over many connections is what comes over one.
func TestAllowance_comingBackAgainAndAgainAllowsNoMore(t *testing.T) {
	a := newAllowance(Limits{AudioRate: 2, AudioBurst: 10 * time.Second, MessageRate: 10, MessageBurst: 100})
	now := time.Unix(1e9, 0)
	a.attached(false, now)
	if wait, _ := a.take(true, 10, now); wait > 0 {
		t.Fatalf("the burst has to wait %v", wait)
	}
	a.take(false, 100, now)
	var audio, messages time.Duration
	for range 10 {
		now = now.Add(100 * time.Millisecond)
		a.attached(true, now)
		audio, _ = a.take(true, 1, now)
		messages, _ = a.take(false, 10, now)
	}
	if audio == 0 || messages == 0 {
		t.Errorf("after ten connections in a second audio waits %v and messages %v", audio, messages)
	}
}

// But what a person said while they were away, or all that a client keeps where nobody has it, may come at once.
func TestAllowance_whatMayHaveBeenSaidMeanwhileComesAtOnce(t *testing.T) {
	a := newAllowance(Limits{AudioRate: 1, AudioBurst: time.Second, MessageRate: 1, MessageBurst: 1})
	now := time.Unix(1e9, 0)
	a.attached(true, now)
	if wait, _ := a.take(true, 60, now); wait > 0 {
		t.Errorf("a minute has to wait %v on an instance that has nothing", wait)
	}
	now = now.Add(30 * time.Second)
	a.attached(true, now)
	if wait, _ := a.take(true, 30, now); wait > 0 {
		t.Errorf("half a minute has to wait %v", wait)
	}
	if wait, paused := a.take(true, 5, now); wait == 0 || paused > 0 {
		t.Errorf("more waits %v, after %v", wait, paused)
	}
}
