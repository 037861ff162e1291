package live

import "time"

// limiter is a token bucket that answers how long to wait rather than yes or no. It is used by one goroutine.
type limiter struct {
	rate   float64 // units a second
	burst  float64
	tokens float64
	last   time.Duration // since the process began, as all times here; 0: never

	pausedSince time.Duration // when the first of an unbroken row of waits began; 0: the last one need not wait
}

// processBegan is when the process did. A time since then takes a third of a time.Time, and no change of the wall clock moves it.
var processBegan = time.Now().Add(-1)

func newLimiter(rate, burst float64) limiter { return limiter{rate: rate, burst: burst, tokens: burst} }

// more gives n units on top of the burst, and lets the caller begin anew with its waits.
func (l *limiter) more(n float64) {
	l.tokens = max(0, l.tokens) + n
	l.pausedSince = 0
}

// take spends n units and returns how long the caller has to wait before it goes on, and how long it has been
// made to wait without a break.
func (l *limiter) take(n float64, at time.Time) (wait, paused time.Duration) {
	now := at.Sub(processBegan)
	if l.last != 0 {
		l.tokens = max(l.tokens, min(l.burst, l.tokens+(now-l.last).Seconds()*l.rate)) // there may be more than the burst at first
	}
	l.last = now
	l.tokens -= n
	if l.tokens >= 0 {
		l.pausedSince = 0
		return 0, 0
	}
	if l.pausedSince == 0 {
		l.pausedSince = now
	}
	return time.Duration(-l.tokens / l.rate * 1e9), now - l.pausedSince
}
