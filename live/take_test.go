package live

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// TestInbox_aFreshFrameIsGivenWhereItLies where it is all that waits; else what waits is given, whatever of it is as long.
func TestInbox_aFreshFrameIsGivenWhereItLies(t *testing.T) {
	frame, other := tone(100, 16000), bytes.Repeat([]byte{7}, 3200)
	rule := takeRule{minBytes: 640, maxBytes: 3200, whole: 32000}
	for name, c := range map[string]struct {
		before, after []byte
		command       bool
		rewound       bool
		rule          func(*takeRule)
		lies          bool
		messages      int
	}{
		"alone":                 {lies: true, messages: 1},
		"joined to a few bytes": {before: other[:640], rule: func(r *takeRule) { r.maxBytes = 6400 }, messages: 1},
		"before other speech":   {after: other, messages: 1},
		"too long":              {rule: func(r *takeRule) { r.whole, r.maxBytes = 640, 640 }, messages: 1},
		"too short":             {rule: func(r *takeRule) { r.minBytes = 6400 }},
		"before a command":      {command: true, messages: 1},
		"given once more":       {rewound: true, lies: true, messages: 1},
	} {
		in := inbox{maxUnsent: 1 << 20, maxKept: 1 << 20}
		now := time.Now()
		if c.before != nil {
			in.addAudio(c.before, now)
		}
		pos, late, ok := in.addSpeech(0, frame, false, now)
		if !ok || late {
			t.Fatal(ok, late)
		}
		if c.rewound {
			in.take(nil, rule)
			in.rewind(span{}, 0)
		}
		if c.after != nil {
			in.addAudio(c.after, now)
		}
		if c.command {
			in.insert(&Command{Kind: CommandText})
		}
		r := rule
		r.fresh = lent{frame, pos}
		if c.rule != nil {
			c.rule(&r)
		}
		var got [][]byte
		lies := false
		for {
			pcm, command, _ := in.take(nil, r)
			if len(pcm) == 0 && command == nil {
				break
			}
			if len(pcm) > 0 {
				lies = lies || &pcm[0] == &frame[0]
				got = append(got, pcm)
			}
		}
		if lies != c.lies {
			t.Errorf("%s: given where it lies: %v", name, lies)
		}
		want := slices.Concat(c.before, frame, c.after)
		if c.messages == 0 {
			want = nil
		}
		if !bytes.Equal(slices.Concat(got...), want) || len(got) != c.messages {
			t.Errorf("%s: %d messages that are not what waited", name, len(got))
		}
	}
}

// TestInbox_silenceAsLongAsAFrameThatHasGoneUp is not taken for the frame.
func TestInbox_silenceAsLongAsAFrameThatHasGoneUp(t *testing.T) {
	in := inbox{maxUnsent: 1 << 20, maxKept: 1 << 20}
	frame, silence := tone(100, 16000), make([]byte, 3200)
	pos, _, _ := in.addSpeech(0, frame, false, time.Now())
	rule := takeRule{maxBytes: 3200}
	if pcm, _, _ := in.take(nil, rule); !bytes.Equal(pcm, frame) {
		t.Fatal("the frame was not given")
	}
	in.addAudio(silence, time.Now())
	rule.fresh = lent{frame, pos}
	if pcm, _, _ := in.take(nil, rule); !bytes.Equal(pcm, silence) {
		t.Error("the frame was given once more, for the silence behind it")
	}
}
