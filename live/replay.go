package live

import "time"

// What an upstream was given is kept until a resumption handle, or the transcript of a finished turn, covers it: the
// next connection is given the rest again.

// place is where the sender stands.
func (in *inbox) place() cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.here()
}

// inFlight is how long a message may be on its way to the upstream, or an event on its way back.
const inFlight = 250 * time.Millisecond

// settled is the place that an event which has just come can know of: where the sender stands, but for commands that
// were given so lately that they and the event may have crossed.
func (in *inbox) settled(now time.Time) span {
	in.mu.Lock()
	defer in.mu.Unlock()
	here := in.here()
	known := span{here, here}
	for i := in.done - 1; i >= 0; i-- {
		it := in.items.at(i)
		if it.command == nil {
			continue
		}
		if now.Sub(it.given) > inFlight {
			break
		}
		known.commands = cursor{item: in.first + int64(i), pos: it.pos}
	}
	return known
}

// marked notes that the upstream's message with an index ended at a place.
func (in *inbox) marked(index int64, at cursor) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.marks.push(mark{index, at})
	for in.marks.len() > 1 && in.marks.at(0).at.item < in.first {
		in.marks.pop()
	}
}

// consumed is the place that the upstream's message with an index ended at, or, when that was the session's own
// (silence), the last one before it.
func (in *inbox) consumed(index int64) cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	at := cursor{item: in.first, pos: in.oldest()}
	for i := range in.marks.len() {
		m := in.marks.at(i)
		if m.index > index {
			break
		}
		at = m.at
	}
	return at
}

// span says how far an upstream's knowledge reaches: audio and other commands up to a place each.
type span struct{ audio, commands cursor }

// beyond reports whether s reaches further than o in one thing, and no less far in the other.
func (s span) beyond(o span) bool {
	return s.audio.item >= o.audio.item && s.commands.item >= o.commands.item &&
		(s.audio.item > o.audio.item || s.commands.item > o.commands.item)
}

// cover forgets what lies before a span, but for overlap bytes of audio.
func (in *inbox) cover(known span, overlap int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	keep := min(in.back(known.audio, overlap), known.commands.item)
	for in.done > 0 && in.first < keep {
		in.forget()
	}
}

// back is the item that lies overlap bytes of audio before a place. Called with mu held.
func (in *inbox) back(at cursor, overlap int) int64 {
	i := int(min(at.item, in.first+int64(in.done)) - in.first)
	for i > 0 && overlap > 0 {
		i--
		overlap -= in.items.at(i).length
	}
	return in.first + int64(max(i, 0))
}

// rewind makes everything that a span does not know go up once more, and overlap bytes of audio that it should know.
// What was bound to its connection never does. It returns how much audio is given again, and how much
// was not kept; both in bytes.
func (in *inbox) rewind(known span, overlap int) (again, lost int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	audio := in.back(known.audio, overlap)
	for in.done > 0 && in.first < min(audio, known.commands.item) {
		in.forget()
	}
	if in.first > known.audio.item {
		lost = int(in.oldest()-known.audio.pos) * 2
	}
	for i := range in.done {
		it, place := in.items.at(i), in.first+int64(i)
		switch {
		case it.chunk != nil && place < audio:
			in.release(it)
		case it.chunk != nil:
			again += it.length
		case it.command != nil:
			it.passed = place < known.commands.item || it.command.bound()
			if !it.passed {
				in.requeue(it.command)
			}
		}
	}
	for i := in.done; i < in.items.len(); i++ { // what has not gone up yet
		if it := in.items.at(i); it.waiting() && it.command.bound() {
			it.passed = true
			in.given(it.command)
		}
	}
	in.done, in.kept, in.keptBytes = 0, 0, 0
	in.dropEmptyActivities()
	in.unsent += again
	in.again += again
	in.marks = ring[mark]{}
	return again, max(0, lost)
}

// requeue counts a command that is to be given once more. Called with mu held.
func (in *inbox) requeue(c *Command) {
	in.commands++
	in.commandsAgain++
	in.cmdBytes += c.size()
	in.bytesAgain += c.size()
}

// dropEmptyActivities keeps an upstream from being given an activity whose audio it is not given: it would close the
// connection. Called with mu held.
func (in *inbox) dropEmptyActivities() {
	var begin *item // an activity without audio so far
	for i := range in.items.len() {
		it := in.items.at(i)
		switch {
		case it.chunk != nil:
			begin = nil
		case !it.waiting():
		case it.command.Kind == CommandActivityStart:
			begin = it
		case it.command.Kind == CommandActivityEnd && begin != nil:
			for _, mark := range []*item{begin, it} {
				mark.passed = true
				in.given(mark.command)
			}
			begin = nil
		}
	}
}

// forgo takes back what a rewind has made go up once more although a span knows it, but for overlap bytes of
// audio. It returns how many bytes of audio that are.
func (in *inbox) forgo(known span, overlap int) (bytes int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := min(int(max(known.audio.item, known.commands.item)-in.first), in.items.len()) - 1; i >= in.done; i-- {
		it, place := in.items.at(i), in.first+int64(i)
		switch {
		case it.chunk != nil && place >= known.audio.item, it.command != nil && place >= known.commands.item:
		case it.chunk != nil && overlap > 0:
			overlap -= it.length
		case it.chunk != nil:
			bytes += it.length
			in.unsent -= it.length
			in.again = max(0, in.again-it.length)
			in.release(it)
		case it.waiting():
			it.passed = true
			in.given(it.command)
		}
	}
	in.dropEmptyActivities()
	return bytes
}

// oldest is the place in the microphone's stream of the oldest item. Called with mu held.
func (in *inbox) oldest() int64 {
	if in.items.len() == 0 {
		return in.samples
	}
	return in.items.at(0).pos
}

// resumeAt is where a client has to go on for another instance that has no more than what cover has left: how many of its
// messages the handle includes, which commands behind those it knows as well, and whether a push-to-talk activity is
// open there.
func (in *inbox) resumeAt(known span) (covered int64, ahead []int64, activity bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	covered = in.received
	if in.items.len() > 0 {
		covered = max(0, in.items.at(0).seq-1)
	}
	for i := range in.done {
		it := in.items.at(i)
		if it.command != nil && in.first+int64(i) < known.commands.item && it.seq > covered {
			ahead = append(ahead, it.seq)
		}
	}
	return covered, ahead, in.activity
}
