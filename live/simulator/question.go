package simulator

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// question is what the model is asked. What is asked before an answer has begun joins it.
type question struct {
	numbers []int64       // of its parts, in this conversation
	pcm     []byte        // the person's speech, at rate Hz
	rate    int           //
	heard   time.Duration // of speech in it
	text    string        // what was typed
	echo    bool          // a typed text is transcribed as if it had been said
	tool    string        // tools that have answered
	said    string        // what they answered
}

// The bounds of a question that goes on being asked; what comes beyond them is not played back.
const (
	maxQuestionText  = 64 << 10
	maxQuestionParts = 1000
)

// joined is a question that asks both; q may be nil. Speech is kept up to limit bytes.
func (q *question) joined(next *question, limit int) *question {
	if q == nil {
		return next
	}
	both := *next
	both.numbers = slices.Concat(q.numbers, next.numbers)
	both.numbers = both.numbers[:min(len(both.numbers), maxQuestionParts)]
	both.heard += q.heard
	both.text = spaced(q.text, next.text)
	both.tool = spaced(q.tool, next.tool)
	both.said = spaced(q.said, next.said)
	if len(q.pcm) > 0 {
		pcm := next.pcm
		if len(pcm) == 0 {
			both.rate = q.rate
		} else if next.rate != q.rate {
			both.rate, pcm = q.rate, resample(pcm, next.rate, q.rate)
		}
		both.pcm = slices.Concat(q.pcm, pcm)
		both.pcm = both.pcm[:min(len(both.pcm), max(limit, len(q.pcm)))]
	}
	return &both
}

// spaced joins two texts that may be empty.
func spaced(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	both := a + " " + b
	return both[:min(len(both), maxQuestionText)]
}

// wantedLength is how a text asks for an answer of some length.
var wantedLength = regexp.MustCompile(`\[\[answer: *([0-9.]+(?:ms|s|m))\]\]`)

// length is how much speech the text asks for; 0: as much as it takes.
func (q *question) length() time.Duration {
	m := wantedLength.FindStringSubmatch(q.text)
	if m == nil {
		return 0
	}
	d, err := time.ParseDuration(m[1])
	if err != nil {
		return 0
	}
	return min(d, maxAnswer)
}

// wording is what the n-th answer of a conversation says, and says that it is simulated.
func (q *question) wording(n, pictures int, length time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Simulated answer %d:", n)
	if q.tool != "" {
		fmt.Fprintf(&b, " the tool %s answered %.200s.", q.tool, q.said)
	}
	if q.pcm != nil {
		fmt.Fprintf(&b, " your own %.1f s of speech, played back.", q.heard.Seconds())
	}
	if q.text != "" || q.tool == "" && q.pcm == nil {
		fmt.Fprintf(&b, " you wrote %d words: %.200q.", len(strings.Fields(q.text)), q.text)
	}
	if pictures > 0 {
		fmt.Fprintf(&b, " I was shown %d pictures.", pictures)
	}
	for d := 5 * time.Second; d <= length; d += 5 * time.Second {
		fmt.Fprintf(&b, " Still here after %d s.", int(d.Seconds()))
	}
	return b.String()
}

// speech is the audio of an answer: the person's own words, then tones for what was not said, and all of it again
// until it is as long as is wanted.
func (q *question) speech(words string, length time.Duration) []byte {
	pcm := chime()
	if q.pcm != nil {
		pcm = append(pcm, resample(q.pcm, q.rate, outputRate)...)
	}
	if q.pcm == nil || q.text != "" || q.tool != "" {
		pcm = appendTextTones(pcm, words)
	}
	if length == 0 {
		return pcm
	}
	want := 2 * samplesFor(length)
	long := make([]byte, 0, want+len(pcm))
	for len(long) < want {
		long = append(long, pcm...)
	}
	return long[:want]
}
