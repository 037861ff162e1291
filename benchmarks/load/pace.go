package main

import "time"

// pace is the schedule of a session's frames. Times are since the generator's start; it is used by one goroutine.
//
// A generator that waits for a slow server before it asks again leaves out just the questions that would have waited
// longest ("coordinated omission"). Here frame k is due at begin + k × interval whatever happens. If the connection
// does not take a frame, those behind it are written late, and the time that they waited counts as latency: it is
// what a person would have heard.
//
// The generator itself may be late, too: because the machine is busy, or its timers are coarse. That must not be taken for
// the server's fault. So pace follows an ideal generator beside the real one, which is never late itself: it writes
// a frame when it is due, or when the frame before it has been taken, whichever is later, and its writes take as long
// as the real ones did. What the ideal one had to wait is the server's (queued); what the real one is behind the ideal
// one is its own (lag).
type pace struct {
	begin    time.Duration
	interval time.Duration
	taken    time.Duration // when the ideal generator's last frame was taken
}

// due is when frame k is to be written.
func (p *pace) due(k uint32) time.Duration { return p.begin + time.Duration(k)*p.interval }

// writing says, of frame k that is about to be written, how long it had to wait because of the frames before it, and how
// late the generator itself is.
func (p *pace) writing(k uint32, now time.Duration) (queued, lag time.Duration) {
	ideal := max(p.due(k), p.taken)
	return ideal - p.due(k), max(0, now-ideal)
}

// written says how long frame k's write took.
func (p *pace) written(k uint32, took time.Duration) {
	p.taken = max(p.due(k), p.taken) + took
}

// corrected is the latency of a frame that was written at sent, had been queued before, and came at came.
func corrected(sent, queued, came time.Duration) time.Duration { return came - sent + queued }
