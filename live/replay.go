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

// settled is the place that an event which has just come can know of: where the sender stands, but for what was given so
// lately that it and the event may have crossed: commands, and more audio than overlap bytes, which are given again anyway.
func (in *inbox) settled(now time.Time, overlap int) span {
	in.mu.Lock()
	defer in.mu.Unlock()
	here := in.here()
	known := span{here, here.later(in.base.commands)}
	if sure := in.reached(now.Add(-inFlight)); int(here.pos-sure.pos)*2 > overlap {
		known.audio = sure
	}
	for i := in.done - 1; i >= 0 && in.first+int64(i) >= in.base.commands.item; i-- {
		it := in.items.at(i)
		if it.command == nil {
			continue
		}
		if now.Sub(time.Unix(0, it.command.given)) > inFlight {
			return known
		}
		known.commands = cursor{item: in.first + int64(i), pos: it.pos}
	}
	for _, it := range in.unknownAside(in.base) { // given on this connection
		if now.Sub(time.Unix(0, it.command.given)) <= inFlight {
			known.commands = it.at().earlier(known.commands)
		}
	}
	return known
}

// soleText is the place behind the command at a place, if that is a text which ends the person's turn and no other was given since
// another place, or to this connection; else the place itself.
func (in *inbox) soleText(since, at cursor) cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	since = since.later(in.base.commands)
	if since.item < in.first && len(in.unknownAside(span{commands: since})) > 0 || at.item < in.first {
		return at
	}
	for i := int(max(since.item, in.first) - in.first); i < in.done; i++ {
		c := in.items.at(i).command
		switch {
		case c == nil || c.Kind == CommandAudioStreamEnd: // nobody has spoken
		case in.first+int64(i) >= at.item && c.Kind == CommandText && c.TurnComplete:
			return cursor{item: in.first + int64(i) + 1, pos: in.items.at(i).pos}
		default:
			return at
		}
	}
	return at
}

// mark notes that the upstream's message with an index, which has gone up now, ended at a place. Called with mu held.
func (in *inbox) mark(index int64, at cursor, now int64) {
	in.pushMark(mark{at, uint32(index), uint32((now + int64(time.Millisecond) - 1) / int64(time.Millisecond))})
	in.probe.passed(at.pos, now)
	if in.aside != nil {
		in.markAside(index)
	}
}

// consumed is what the upstream knows that has taken its message with an index: everything up to the end of that message
// or, when that was the session's own (silence), of the last one before it. Before the first it knows what its connection
// began with.
func (in *inbox) consumed(index int64) span {
	in.mu.Lock()
	defer in.mu.Unlock()
	known := in.base
	for i := range in.marks.len() {
		m := in.marks.at(i)
		if int64(m.index) > index {
			break
		}
		known = span{m.at, m.at.later(in.base.commands)}
	}
	return in.consumedAside(known, index)
}

// unanswered are the texts that a span does not know.
func (in *inbox) unanswered(known span) (texts []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, it := range in.unknownAside(known) {
		if it.command.Kind == CommandText {
			texts = append(texts, it.command.Text)
		}
	}
	for i := max(0, int(known.commands.item-in.first)); i < in.items.len(); i++ {
		if c := in.items.at(i).command; c != nil && c.Kind == CommandText {
			texts = append(texts, c.Text)
		}
	}
	return texts
}

// givenBy is the place that the sender had reached at a time, or where what is surely known ends if that is further on.
func (in *inbox) givenBy(t time.Time) cursor {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.reached(t)
}

// reached is givenBy, called with mu held.
func (in *inbox) reached(t time.Time) cursor {
	at := in.base.audio
	if at.item < in.first {
		at = cursor{item: in.first, pos: in.oldest()}
	}
	for i := range in.marks.len() {
		m := in.marks.at(i)
		if m.after(t) {
			break
		}
		if m.at.item > at.item {
			at = m.at
		}
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

// earlier is what both of two upstreams know.
func (s span) earlier(o span) span {
	return span{s.audio.earlier(o.audio), s.commands.earlier(o.commands)}
}

func (c cursor) earlier(o cursor) cursor {
	if o.item < c.item {
		return o
	}
	return c
}

func (c cursor) later(o cursor) cursor {
	if o.item > c.item {
		return o
	}
	return c
}

// cover forgets what lies before a span, but for overlap bytes of audio.
func (in *inbox) cover(known span, overlap int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	keep := in.unknown(known, in.back(known.audio, overlap))
	for in.done > 0 && in.first < keep {
		in.forget()
	}
	in.coverAside(known)
	in.popMarks()
}

// unknown is the first command before an item that a span does not know and that would have to be given again; the
// item itself where there is none. Called with mu held.
func (in *inbox) unknown(known span, before int64) int64 {
	for place := max(known.commands.item, in.first); place < before; place++ {
		if c := in.items.at(int(place - in.first)).command; c != nil && !c.bound() {
			return place
		}
	}
	return before
}

// back is the item that lies overlap bytes of audio before a place. It is never more than that, unless a quarter of the
// overlap, or more, would be missing: messages are given whole, as a client repeats them. Called with mu held.
func (in *inbox) back(at cursor, overlap int) int64 {
	i := int(min(at.item, in.first+int64(in.done)) - in.first)
	left := overlap
	if it := in.partly(i-1, at); it != nil {
		i--
		left -= int(at.pos-it.pos) * 2
	}
	for i > 0 && left > 0 {
		n := in.items.at(i - 1).len()
		if n > left && 4*left <= overlap {
			break
		}
		i--
		left -= n
	}
	return in.wholeMessages(in.first+int64(max(i, 0)), overlap)
}

// partly is the item of silence at i if the place lies inside it: silence that came later was joined to it. Called with mu held.
func (in *inbox) partly(i int, at cursor) *item {
	if i < 0 || i >= in.items.len() {
		return nil
	}
	if it := in.items.at(i); it.silent() && it.pos < at.pos && at.pos < it.end() {
		return it
	}
	return nil
}

// rewind makes everything that a span does not know go up once more, and overlap bytes of audio that it should know.
// What was bound to its connection never does. What the span knows stays as it is, given and kept: when
// nothing has gone up since, another rewind may choose another span. It returns how much audio is given again, and how
// much was not kept and has not been told lost before; both in bytes.
func (in *inbox) rewind(known span, overlap int) (again, lost int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.everGiven = max(in.everGiven, in.first+int64(in.done))
	in.probe.since = 0 // what a renewal takes is told by itself
	audio := in.back(known.audio, overlap)
	if it := in.partly(int(known.audio.item-in.first)-1, known.audio); it != nil && overlap == 0 {
		it.length -= uint16(known.audio.pos-it.pos) * 2
		it.pos = known.audio.pos
	}
	if in.first > known.audio.item {
		from := max(known.audio.pos, in.toldLost)
		if lost = max(0, int(in.oldest()-from)*2); lost > 0 {
			in.toldLost = in.oldest()
		}
	}
	in.unsent, in.kept, in.keptBytes = 0, 0, 0
	in.commands, in.cmdBytes, in.commandsAgain, in.bytesAgain = 0, 0, 0, 0
	in.rewindAside(known)
	next := in.items.len()
	for i := range in.items.len() {
		it, place := in.items.at(i), in.first+int64(i)
		before := place < in.everGiven
		switch {
		case it.length > 0:
			if it.passed = before && place < audio; it.passed {
				in.kept += it.len()
				continue
			}
			in.unsent += it.len()
			if before {
				again += it.len()
			}
		case it.command != nil:
			if it.passed = before && place < known.commands.item || it.command.bound(); it.passed {
				continue
			}
			in.requeue(it.command, before)
		default:
			continue
		}
		next = min(next, i)
	}
	for i := range next { // what is known and lies in front is given and kept
		if c := in.items.at(i).command; c != nil {
			in.keptBytes += c.cost()
		}
	}
	in.done, in.again = next, again
	in.base = span{in.here(), in.here().later(known.commands)}
	in.dropEmptyActivities()
	in.giveMarks(in.marks.clear(&markSegments))
	return again, lost
}

// requeue counts a command that is to be given, perhaps once more. Called with mu held.
func (in *inbox) requeue(c *Command, again bool) {
	in.commands++
	in.cmdBytes += c.size()
	if again {
		in.commandsAgain++
		in.bytesAgain += c.size()
	}
}

// dropEmptyActivities keeps an upstream from being given an activity whose audio it is not given: it would close the
// connection. Called with mu held.
func (in *inbox) dropEmptyActivities() {
	var begin *item // an activity without audio so far
	if in.aside != nil {
		for i := range in.aside.items[in.aside.done:] {
			if it := &in.aside.items[in.aside.done+i].item; it.command.Kind == CommandActivityStart {
				begin = it
			}
		}
	}
	for i := range in.items.len() {
		it := in.items.at(i)
		switch {
		case it.length > 0 && !it.passed:
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

// oldest is the place in the microphone's stream of the oldest item. Called with mu held.
func (in *inbox) oldest() int64 {
	if in.items.len() == 0 {
		return in.samples
	}
	return in.items.at(0).pos
}

// resumeAt is where a client has to go on for another instance that has the handle and nothing else: how many of its
// messages the handle includes, but for overlap bytes of audio, what behind those it knows as well, and whether a push-to-talk
// activity is open there. What the client was told to be covered before, it cannot repeat any more.
func (in *inbox) resumeAt(known span, overlap int, before int64) (at point) {
	in.mu.Lock()
	defer in.mu.Unlock()
	audio := in.back(known.audio, overlap)
	next := int(max(in.first, in.unknown(known, audio)) - in.first)
	for next < in.items.len() && in.items.at(next).seq <= before {
		next++
	}
	activity := in.activity
	for i := range min(next, in.items.len()) {
		if c := in.items.at(i).command; c != nil {
			activity = c.opens(activity)
		}
	}
	covered := in.received
	for i := next; i < in.items.len(); i++ { // not only the next: a command may have gone ahead of audio that was held back
		it := in.items.at(i)
		if it.command != nil && (it.command.bound() || in.first+int64(i) < known.commands.item) {
			continue // of no use elsewhere, or known
		}
		covered = min(covered, max(before, it.seq-1))
	}
	for _, it := range in.unknownAside(known) {
		if it.seq <= before {
			continue
		}
		covered = min(covered, it.seq-1)
		if it.command.Kind == CommandActivityStart {
			activity = false // it is given again
		}
	}
	if a := in.aside; a != nil && a.lost > 0 && a.lostTo > known.commands.item && a.lostFrom > before {
		covered = min(covered, a.lostFrom-1) // the client may still have them
	}
	var ahead []int64
	for _, seq := range in.known { // came here as well, and was passed over
		if seq > covered {
			ahead = append(ahead, seq)
		}
	}
	if in.aside != nil {
		for _, it := range in.aside.items {
			if it.place < known.commands.item && it.seq > covered {
				ahead = append(ahead, it.seq)
			}
		}
	}
	for i := range in.items.len() { // a renewal may have set done back behind commands that it does not give again
		it := in.items.at(i)
		if it.command != nil && in.first+int64(i) < min(known.commands.item, max(in.everGiven, in.first+int64(in.done))) && it.seq > covered {
			ahead = append(ahead, it.seq)
		}
	}
	at = point{covered: covered, ahead: ahead, activity: activity}
	heard := in.received
	for i := int(max(in.first, audio) - in.first); i < in.items.len(); i++ {
		if it := in.items.at(i); it.length > 0 {
			heard = it.seq - 1
			break
		}
	}
	if heard = max(heard, in.heard); heard > covered {
		at.heard = heard
	}
	return at
}

// wholeMessages is the place from which on whole messages lie behind a place: one of which only a little does is left out.
// Called with mu held.
func (in *inbox) wholeMessages(place int64, overlap int) int64 {
	i := int(place - in.first)
	if i <= 0 || i >= in.items.len() || in.items.at(i-1).seq != in.items.at(i).seq {
		return place
	}
	rest, next := 0, i
	for ; next < in.items.len() && in.items.at(next).seq == in.items.at(i).seq; next++ {
		rest += in.items.at(next).len()
	}
	if 4*rest > overlap {
		return place
	}
	return in.first + int64(next)
}

// opens tells whether a push-to-talk activity is open behind the command if one was before it.
func (c *Command) opens(activity bool) bool {
	switch c.Kind {
	case CommandActivityStart:
		return true
	case CommandActivityEnd:
		return false
	default:
		return activity
	}
}
