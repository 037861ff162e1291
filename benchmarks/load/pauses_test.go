package main

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stonepot/stonepot/live/simulator"
)

// recorded is a recording with tones of these lengths, the second one after a pause and so on, in the noise of a room.
func recorded(hz int, tone, pause time.Duration, times int) *voice {
	v := &voice{hz: hz}
	samples := func(d time.Duration) int { return int(d * time.Duration(hz) / time.Second) }
	for range times {
		for i := range samples(tone + pause) {
			sample := 40 * math.Sin(float64(i))
			if i < samples(tone) {
				sample += 6000 * math.Sin(2*math.Pi*200*float64(i)/float64(hz))
			}
			v.pcm = binary.LittleEndian.AppendUint16(v.pcm, uint16(int16(sample)))
		}
	}
	v.listen()
	return v
}

func TestVoice_knowsItsPauses(t *testing.T) {
	v := recorded(24000, 300*time.Millisecond, 700*time.Millisecond, 3)
	if speech, utterances := v.said(); speech != 900*time.Millisecond || utterances != 3 || !v.pauses() {
		t.Errorf("%v of speech in %d utterances", speech, utterances)
	}
	words := recorded(16000, 300*time.Millisecond, 200*time.Millisecond, 3)
	if speech, utterances := words.said(); speech != 900*time.Millisecond || utterances != 1 || words.pauses() {
		t.Errorf("words of one sentence were told apart: %v of speech in %d utterances", speech, utterances)
	}
	if speech, utterances := synthetic().said(); speech != 4*time.Second || utterances != 1 {
		t.Errorf("the synthetic voice pauses: %v of speech in %d utterances", speech, utterances)
	}
}

func TestScript_isSilentWhereTheRecordingIs(t *testing.T) {
	v := recorded(16000, 300*time.Millisecond, 700*time.Millisecond, 2)
	for name, frame := range map[string]int{"of 20 ms": 640, "of 100 ms": 3200, "of a millisecond": 32} {
		s := &script{voice: v, frame: frame, interval: time.Duration(frame) * time.Second / 32000, talk: 10 * time.Second}
		for k := range uint32(4 * time.Second / s.interval) { // the voice twice
			at := time.Duration(k) * s.interval % time.Second
			if got, want := s.fill(make([]byte, frame), k), at < 300*time.Millisecond; got != want {
				t.Fatalf("frame %d %s is speech: %v", k, name, got)
			}
		}
	}
}

func TestLoad_measuresAnswersToTheUtterancesOfAFile(t *testing.T) {
	t.Parallel()
	v := recorded(16000, 500*time.Millisecond, 900*time.Millisecond, 2)
	name := filepath.Join(t.TempDir(), "voice.wav")
	if err := os.WriteFile(name, wav(format(1, 1, 16000, 16), chunk("data", bytes.Clone(v.pcm))), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *simulator.Config) {
		c.SilenceDuration, c.ThinkingDelay, c.ThinkingExtra = 200*time.Millisecond, 50*time.Millisecond, 0
	}, nil)
	// The file fills the whole run, and nothing but its own pauses gives the model time to answer.
	o := call(t, t.Context(), "--duration 4s --warm-up 100ms --ramp 50ms --sessions 2 --expect answers --wav %s --silence 0s ws://%s", name, s.Addr)
	r := o.well()
	if r.AnswerMicros.Count < 2 || r.AnswerMicros.P50 < 200_000 {
		t.Errorf("answers: %+v\n%s", r.AnswerMicros, o.out)
	}
	if r.Load.Utterances != 2 || r.Load.SpeechMs != 1000 || !strings.Contains(o.out, "whose 2 utterances last 1 s without pauses") {
		t.Errorf("%+v\n%s", r.Load, o.out)
	}
}
