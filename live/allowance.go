package live

import (
	"sync"
	"time"
)

// allowance is what a browser may send, however many connections it sends it over. It is safe for concurrent use: a reader that has been
// replaced may have a message left.
type allowance struct {
	mu       sync.Mutex
	audio    limiter       // seconds of audio
	messages limiter       // of everything else
	since    time.Duration // the newest connection came, since the process began; 0: none has
}

// What a client that resumes may send at once on top of its limits: as much as it keeps.
const (
	repeatedAudio    = time.Minute
	repeatedMessages = 1000
)

func newAllowance(l Limits) allowance {
	return allowance{
		audio:    newLimiter(l.AudioRate, l.AudioBurst.Seconds()),
		messages: newLimiter(l.MessageRate, float64(l.MessageBurst)),
	}
}

// attached notes another connection. One that resumes may repeat what it said and could not get through: no more than it may have said
// since the one before it came, or, on an instance that has nothing of it, than it keeps.
func (a *allowance) attached(resumed bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if resumed {
		since := repeatedAudio
		if a.since != 0 {
			since = min(since, now.Sub(processBegan)-a.since)
		}
		a.audio.more(since.Seconds())
		a.messages.more(repeatedMessages * since.Seconds() / repeatedAudio.Seconds())
	}
	a.since = now.Sub(processBegan)
}

// take spends n seconds of audio, or n other messages: see limiter.take.
func (a *allowance) take(audio bool, n float64, now time.Time) (wait, paused time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if audio {
		return a.audio.take(n, now)
	}
	return a.messages.take(n, now)
}
