package live

import (
	"slices"
	"sync"
	"time"
)

// inbox holds what the browser has sent: what the upstream has not yet been given (audio that came before it was
// ready, short frames that wait for each other, audio that is held back while a tool call is open, whatever piles up
// behind a slow connection), and behind that what it has been given but would not know any more if its connection
// broke now. It is a ring of items in the order of arrival, with the audio in pooled chunks; each item knows its
// message number and its place in the microphone's stream, which is what renewing an upstream and resuming a browser
// count in.
//
//	items:   given and kept ... | not yet given ...
//	         0                  done                len
//
// The bounds: speech beyond audio.inbox that was not yet given drops the oldest of it (counted, and told by a
// warning); more than maxQueuedCommands other commands, or maxQueuedBytes of them, end the session as rate_limited.
// Of what was given, the newest resume.replay_audio is kept, and at most maxQueuedBytes of commands; never a picture,
// which is worth nothing later. Texts are kept longer than the speech around them: see aside.
type inbox struct {
	mu         sync.Mutex
	generation uint64  // of the browser connection whose messages count
	received   int64   // messages counted
	lost       int64   // of them, those that the client gave up
	known      []int64 // commands that the upstream has from another instance: when they come they are passed over
	heard      int64   // the audio up to this message too
	activity   bool    // push-to-talk: an activity is open before the oldest item
	samples    int64   // microphone samples received, dropped ones included

	items         places[item]
	first         int64 // the item at 0, counted from the session's first
	aside         *aside
	done          int
	unsent        int  // bytes of audio not yet given
	left          bool // some were left when take was last called; guarded by up.mu too, as only its holder takes
	again         int  // of them, those that a renewal gives once more
	kept          int  // bytes of audio given and kept
	keptBytes     int  // of other commands given and kept
	commands      int  // other commands not yet given
	cmdBytes      int
	commandsAgain int       // of those, the ones that a renewal gives once more
	bytesAgain    int       // and their size
	maxUnsent     int       // bytes of audio
	repeats       int       // bytes of audio that may wait on top of it
	maxKept       int       // bytes of audio
	firstShort    time.Time // when the oldest audio that waits for more to come arrived

	everGiven int64        // the item behind the newest that any upstream was given
	toldLost  int64        // samples: what was not kept has been told up to here
	base      span         // what the upstream's connection began with
	marks     places[mark] // which messages of the upstream's connection held what

	tail    *chunk  // the chunk that audio is appended to
	budget  *budget // of the gateway; nil: none
	givenUp int64   // bytes of speech that were kept, until memory was short

	counters uplinkCounters
	probe    probe
}

// cursor is a place between two items.
type cursor struct {
	item int64 // the item behind it, counted from the session's first
	pos  int64 // samples of the microphone's stream before it
}

// mark says that the upstream's message with an index ended at a cursor.
type mark struct {
	at    cursor
	index uint32
	when  uint32 // it was given: Unix milliseconds, not before, modulo 2³²
}

// after reports whether the message was given after a time of the last weeks.
func (m *mark) after(t time.Time) bool { return int32(m.when-uint32(t.UnixMilli())) > 0 }

const (
	maxQueuedCommands = 256
	maxQueuedBytes    = 2 << 20
	maxKeptItems      = 16 << 10
)

// item is one command, or a part of one frame of audio, on its way up.
type item struct {
	seq int64 // number of the client message it came in
	pos int64 // of audio: the first sample's place in the microphone's stream

	chunk   *chunk // of audio; nil: silence, or no audio
	command *Command
	from    uint16
	length  uint16 // bytes of audio, at most chunkSize; 0: none, or none any more
	passed  bool   // it must not be given again: the upstream knows it, or does not want it any more
}

// len is how many bytes of audio an item holds.
func (it *item) len() int { return int(it.length) }

// newest is the generation of the connection whose messages count.
func (in *inbox) newest() uint64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.generation
}

// isCurrent reports whether connection generation is the one whose messages count.
func (in *inbox) isCurrent(generation uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return generation == in.generation
}

// count counts one message of connection generation. It reports whether that was done: a message of a connection that
// has been replaced is thrown away.
func (in *inbox) count(generation uint64) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if generation != in.generation {
		return false
	}
	in.received++
	in.counters.UplinkMessages++
	return true
}

// skipped counts messages that the client gave up for want of room.
func (in *inbox) skipped(messages int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received += messages
	in.lost += messages
	in.counters.UplinkSkipped += messages
}

// handOver makes the messages of connection generation the ones that count.
func (in *inbox) handOver(generation uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.generation = generation
}

// expect lets more audio wait for the upstream than usual: bytes that a client repeats.
func (in *inbox) expect(bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.repeats = bytes
}

// restart makes the counts of messages start at 0.
func (in *inbox) restart() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.received, in.lost, in.known, in.heard = 0, 0, nil, 0
	if in.aside != nil {
		in.aside.lostFrom = 0
		for i := range in.aside.items {
			in.aside.items[i].seq = 0
		}
	}
	for i := range in.items.len() {
		in.items.at(i).seq = 0 // of messages that nobody will repeat
	}
}

// unlearn forgets what another instance has given the upstream: that one's memory is gone.
func (in *inbox) unlearn() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.known, in.heard = nil, 0
}

// addSpeech counts one message of connection generation, as count does, and keeps the speech in it for the upstream; sampled: it
// is measured. pos is where in the microphone's stream it begins, and late says that more speech waits than may.
func (in *inbox) addSpeech(generation uint64, pcm []byte, sampled bool, now time.Time) (pos int64, late, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if generation != in.generation {
		return 0, false, false
	}
	in.received++
	in.counters.UplinkMessages++
	if sampled {
		in.watch(len(pcm)/2, now)
	}
	pos = in.samples
	in.addCounted(pcm, now)
	return pos, in.over(), true
}

// addAudio keeps audio of the session's own for the upstream.
func (in *inbox) addAudio(pcm []byte, now time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.addCounted(pcm, now)
}

// addCounted keeps audio of the message that was counted last. Called with mu held.
func (in *inbox) addCounted(pcm []byte, now time.Time) {
	in.counters.UplinkBytes += int64(len(pcm))
	if in.heard > 0 && in.received <= in.heard { // the upstream has been given it by another instance
		in.samples += int64(len(pcm) / 2)
		return
	}
	in.appendAudio(pcm, now)
}

// addCommand does the same for a command. It reports false when the queue of commands is full.
func (in *inbox) addCommand(c *Command) (ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if slices.Contains(in.known, in.received) {
		return true // the upstream has been given it by another instance
	}
	if c.Kind == CommandVideo && in.supersede(c) {
		return true
	}
	return in.appendCommand(c)
}

// insert puts a command of the session's own behind what the browser sent.
func (in *inbox) insert(c *Command) (ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.appendCommand(c)
}

// unheard takes audio that is of no use to the upstream (outside a push-to-talk activity).
func (in *inbox) unheard(pcm []byte, bytesPerMs int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.counters.UplinkBytes += int64(len(pcm))
	in.counters.UplinkDroppedMs += int64(len(pcm) / bytesPerMs)
	in.samples += int64(len(pcm) / 2)
}

func (in *inbox) appendCommand(c *Command) bool {
	size := c.size()
	fresh, bytes := in.commands-in.commandsAgain, in.cmdBytes-in.bytesAgain
	if fresh >= maxQueuedCommands || fresh > 0 && bytes+size > maxQueuedBytes {
		return false
	}
	kept := *c
	in.push(item{seq: in.received, pos: in.samples, command: &kept})
	in.commands++
	in.cmdBytes += size
	in.counters.UplinkBytes += int64(size)
	return true
}

// supersede puts a picture in the place of an unsent one: a camera frame that is late is worth nothing.
func (in *inbox) supersede(c *Command) bool {
	for i := in.done; i < in.items.len(); i++ {
		if it := in.items.at(i); it.waiting() && it.command.Kind == CommandVideo {
			in.cmdBytes += len(c.Data) - len(it.command.Data)
			*it.command = *c
			it.seq = in.received
			in.counters.VideoSuperseded++
			in.counters.UplinkBytes += int64(len(c.Data))
			return true
		}
	}
	return false
}

// drop makes room when more than maxUnsent bytes of audio wait: the oldest goes, because fresh speech is worth
// more. It returns how many bytes went.
func (in *inbox) drop(bytesPerMs int) (dropped int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := in.done; in.over() && i < in.items.len(); i++ {
		if it := in.items.at(i); it.due() {
			in.unsent -= it.len()
			dropped += it.len()
			in.release(it)
		}
	}
	in.counters.UplinkDroppedMs += int64(dropped / bytesPerMs)
	return dropped
}

// over reports whether more audio waits than may. Called with mu held.
func (in *inbox) over() bool { return in.unsent > in.maxUnsent+in.repeats+in.again }

// waiting reports whether an item is a command that has yet to be given.
func (it *item) waiting() bool { return it.command != nil && !it.passed }

// clear frees what is kept; the inbox is done.
func (in *inbox) clear() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for in.items.len() > 0 {
		in.release(in.items.at(0))
		in.giveItems(in.items.pop(&itemSegments))
	}
	in.releaseTail()
	in.giveMarks(in.marks.clear(&markSegments))
	in.items, in.marks = places[item]{}, places[mark]{}
	in.aside = nil
	in.done, in.unsent, in.kept, in.keptBytes, in.commands, in.cmdBytes = 0, 0, 0, 0, 0, 0
}

// trim forgets the oldest of what is kept beyond the bound.
func (in *inbox) trim() {
	for in.done > 0 && (in.kept > in.maxKept || in.keptBytes > maxQueuedBytes || in.done > maxKeptItems || in.outlived()) {
		if in.keptBytes > maxQueuedBytes && in.dropAside() {
			continue
		}
		in.setAside()
		in.forget()
	}
}

// outlived reports whether the oldest item holds nothing and is older than the oldest audio would be.
func (in *inbox) outlived() bool {
	it := in.items.at(0)
	return it.length == 0 && in.here().pos-it.pos > int64(in.maxKept/2)
}

// forget frees the oldest item, which must have been given.
func (in *inbox) forget() {
	switch it := in.items.at(0); {
	case it.length > 0:
		in.kept -= it.len()
		in.release(it)
	case it.command != nil:
		in.keptBytes -= it.command.cost()
		in.activity = it.command.opens(in.activity)
	}
	in.giveItems(in.items.pop(&itemSegments))
	in.first++
	in.done--
}
