package main

import (
	"fmt"
	"time"

	"github.com/stonepot/stonepot/benchmarks/internal/result"
)

// remarks are the sentences that whoever reads the figures must know.
func remarks(r *run, res *result.Run) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	real, bytesPerSecond := 2*float64(r.o.voice.hz), r.o.rate*float64(r.o.frame)
	const playback = 48000 // bytes a second of 24 kHz audio
	if bytesPerSecond > 4*real {
		say("%.1f times real time was asked for: the server holds back what exceeds limits.audio_rate (4 as shipped).", bytesPerSecond/real)
	}
	if r.echo && bytesPerSecond > playback*1.001 {
		say("More was echoed than is played in real time: the server holds it back (audio.playback_lead), and that shows as latency.")
	}
	if r.echo && r.o.frame < 2*r.o.voice.hz/50 {
		say("Frames shorter than 20 ms wait for each other (audio.min_upstream_chunk): that is in the latency on purpose.")
	}
	if lag := time.Duration(res.LagMicros.P99) * time.Microsecond; lag > r.interval {
		say("The generator was late itself: %.1f ms at the 99th percentile, more than the %.1f ms between two frames. The load was not as even as it was asked for.", millis(lag), millis(r.interval))
	}
	if cpus := float64(res.Machine.CPUs); busy(res) > 0.9*cpus {
		say("The machine was busy: generator and server used %.2f of %d CPUs. The tail of every latency is the machine's as much as the server's.", busy(res), res.Machine.CPUs)
	}
	if res.Frames.Strange > 0 {
		say("%d frames came back that this session had never sent, or that could not be read.", res.Frames.Strange)
	}
	if res.Target.Simulated && !r.o.ownModel() && res.Server != nil {
		say("The server played the model's end itself: its CPU and memory include the simulator.")
	}
	if !res.Target.Simulated && !r.o.ownModel() && res.Sessions.Ready > 0 {
		say("The model was a real one: its own time is in the figures.")
	}
	return lines
}

// busy is how many CPUs the generator and the server used.
func busy(res *result.Run) float64 {
	used := res.Generator.Cores
	if res.Server != nil {
		used += res.Server.Cores
	}
	return used
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ownModel reports whether the model's end stands in this process.
func (o *options) ownModel() bool { return o.simulator != "" || o.start != "" }
