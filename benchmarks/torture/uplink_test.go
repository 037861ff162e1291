package main

import (
	"bytes"
	"testing"

	"github.com/stonepot/stonepot/live/frame"
)

func TestUplink_repeatsExactlyWhatTheServerLacks(t *testing.T) {
	u := newUplink(1)
	for i := range int64(10) {
		u.push(upMessage{pos: i * frameSamples, n: frameSamples})
	}
	var scratch []byte
	sent := func() (n int) {
		for more := true; more; {
			if _, more = u.appendNext(nil, &scratch); more {
				n++
			}
		}
		return n
	}
	if n := sent(); n != 10 || u.next != 11 {
		t.Fatalf("%d messages, the next is %d", n, u.next)
	}
	if missing := u.rewind(7); missing != 0 || sent() != 3 {
		t.Errorf("after 7 were received: %d are missing, the next is %d", missing, u.next)
	}
	u.forget(4)
	if missing := u.rewind(4); missing != 0 || sent() != 6 {
		t.Errorf("after 4 were received and covered: %d are missing", missing)
	}
	if missing := u.rewind(1); missing != 3 || sent() != 6 {
		t.Errorf("after only 1 was received: %d are missing, want the 3 that were covered", missing)
	}
	if got := u.place(1, 99); got != frameSamples {
		t.Errorf("the sample behind message 1 is %d", got)
	}
	if got := u.place(10, 99); got != 99 {
		t.Errorf("the sample behind the last message is %d, want what was given", got)
	}
}

func TestUplink_keepsAMinute(t *testing.T) {
	u := newUplink(1)
	for i := range int64(20_000) {
		u.push(upMessage{pos: i * frameSamples, n: frameSamples})
	}
	if kept := u.count() - u.first + 1; kept != maxKeptAudio/frameSamples {
		t.Errorf("%d messages are kept, want %d", kept, maxKeptAudio/frameSamples)
	}
	if len(u.ring) > 2*maxForgotten+maxKeptAudio/frameSamples+1 {
		t.Errorf("%d messages are held", len(u.ring))
	}
	if u.count() != 20_000 {
		t.Errorf("%d messages were counted", u.count())
	}
}

func TestUplink_reloadedStartsAtZeroAndTellsWhatIsGone(t *testing.T) {
	u := newUplink(1)
	for i := range int64(10) {
		u.push(upMessage{pos: i * frameSamples, n: frameSamples})
	}
	u.received, u.covered = 6, 2
	received, covered := u.restart(10 * frameSamples)
	if received != 6*frameSamples || covered != 2*frameSamples || u.count() != 0 || u.next != 1 {
		t.Errorf("received %d, covered %d, %+v", received, covered, u)
	}
}

func TestIdentify_findsTheConversationInTheSetup(t *testing.T) {
	upgrade := []byte("GET /ws HTTP/1.1\r\nHost: x\r\n\r\n")
	setup := frame.AppendMasked(nil, frame.Binary, []byte(`{"setup":{"systemInstruction":"this is torture conversation 4711; yes"}}`), 77)
	whole := append(bytes.Clone(upgrade), setup...)
	for n := range whole {
		if id, done := identify(whole[:n]); done || id != 0 {
			t.Fatalf("after %d of %d bytes: %d", n, len(whole), id)
		}
	}
	if id, done := identify(whole); !done || id != 4711 {
		t.Errorf("%d %v", id, done)
	}
	pinged := append(bytes.Clone(upgrade), frame.AppendMasked(nil, frame.Ping, nil, 1)...)
	if id, done := identify(append(pinged, setup...)); !done || id != 4711 {
		t.Errorf("behind a ping: %d %v", id, done)
	}
}
