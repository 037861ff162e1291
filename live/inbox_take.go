package live

import "time"

// This part of the inbox gives out what goes upstream.

// takeRule says what take may give out.
type takeRule struct {
	minBytes  int  // less audio than this waits for more…
	flush     bool // …unless it has waited long enough
	maxBytes  int  // frames are joined up to this
	whole     int  // what came as one frame goes up as one message, up to this
	holdAudio bool // a tool call is open, and the model forbids audio meanwhile

	fresh lent // the frame that came just now
	gave  gave // what take gave out before; zero: that has not gone up
}

// lent is a frame of the microphone that still lies where it was read.
type lent struct {
	pcm []byte
	pos int64 // where in the microphone's stream it begins
}

// gave is something that went up.
type gave struct {
	index int64 // at the upstream
	at    cursor
	when  int64 // Unix nanoseconds
}

// whole reports whether a fresh frame is all that waits, and may go up as one message. Called with mu held.
func (in *inbox) whole(rule *takeRule) bool {
	n, f := len(rule.fresh.pcm), &rule.fresh
	return n > 0 && n == in.unsent && in.commands == 0 && n <= rule.most(true) &&
		in.samples == f.pos+int64(n/2) && in.items.at(in.done).pos == f.pos
}

// take gives out what goes upstream next: audio, appended to dst, or a command. When there is nothing to send
// now, both are empty. Audio before a command goes at once, however short: the order is the person's. at is the
// place behind what was given out. A fresh frame that is all there is to give is not copied: pcm is the frame.
func (in *inbox) take(dst []byte, rule takeRule) (pcm []byte, c *Command, at cursor) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if g := &rule.gave; g.when != 0 {
		in.mark(g.index, g.at, g.when)
	}
	in.left = in.unsent > 0
	if c := in.takeAside(); c != nil {
		return dst, c, in.here()
	}
	if rule.holdAudio {
		c = in.takeAhead()
		return dst, c, in.here()
	}
	for in.done < in.items.len() && in.items.at(in.done).nothing() {
		in.give()
	}
	if in.done == in.items.len() {
		return dst, nil, in.here()
	}
	if head := in.items.at(in.done); head.command != nil {
		c = head.command
		in.given(c)
		in.give()
		in.trim()
		return dst, c, in.here()
	}
	if !rule.flush && in.unsent < rule.minBytes && in.commands == 0 {
		return dst, nil, in.here()
	}
	whole := in.whole(&rule)
	frame := int64(0) // the number of the one that dst ends with
	for in.done < in.items.len() {
		it := in.items.at(in.done)
		if it.waiting() || it.due() && len(dst) > 0 && len(dst)+it.len() > rule.most(it.seq != 0 && it.seq == frame) {
			break
		}
		if it.due() {
			frame = it.seq
			if !whole {
				dst = it.appendTo(dst)
			}
			in.unsent -= it.len()
			in.again = max(0, in.again-it.len())
			in.kept += it.len()
		}
		in.give()
		in.mergeSilence()
	}
	in.trim()
	if whole {
		dst = rule.fresh.pcm
	}
	return dst, nil, in.here()
}

// most is how long a message may become by one more item of audio.
func (r *takeRule) most(sameFrame bool) int {
	if sameFrame {
		return max(r.maxBytes, r.whole)
	}
	return r.maxBytes
}

// due reports whether an item is audio that has yet to be given.
func (it *item) due() bool { return it.length > 0 && !it.passed }

// nothing: an item whose audio was dropped, or that has been passed over.
func (it *item) nothing() bool { return !it.due() && !it.waiting() }

// give moves the next item to those that were given.
func (in *inbox) give() {
	if it := in.items.at(in.done); it.command != nil {
		if it.command.Kind == CommandVideo {
			it.command = nil
		} else {
			in.keptBytes += it.command.cost()
			it.command.given = time.Now().UnixNano()
		}
	}
	in.done++
}

// here is the place between what was given and what was not.
func (in *inbox) here() cursor {
	if it := in.aside.next(); it != nil {
		return it.at()
	}
	at := cursor{item: in.first + int64(in.done), pos: in.samples}
	if in.done < in.items.len() {
		at.pos = in.items.at(in.done).pos
	}
	return at
}

// takeAhead takes the first command that may go past the audio that is held back, and puts it before that audio.
func (in *inbox) takeAhead() *Command {
	i := in.ahead()
	if i < 0 {
		return nil
	}
	in.base.commands = in.base.commands.earlier(in.here()) // places behind it are about to change
	moved := *in.items.at(i)
	moved.pos = in.items.at(in.done).pos
	for ; i > in.done; i-- { // what was given lies before what was not, whatever came first
		*in.items.at(i) = *in.items.at(i - 1)
	}
	*in.items.at(in.done) = moved
	in.given(moved.command)
	in.give()
	in.trim()
	return moved.command
}

// ahead finds the first command that may go past audio that is held back: not one that marks where audio begins or
// ends. -1: there is none. Called with mu held.
func (in *inbox) ahead() int {
	if in.commands == 0 {
		return -1
	}
	for i := in.done; i < in.items.len(); i++ {
		it := in.items.at(i)
		if !it.waiting() {
			continue
		}
		switch it.command.Kind {
		case CommandActivityStart, CommandActivityEnd, CommandAudioStreamEnd:
		default:
			return i
		}
	}
	return -1
}

// given counts a command out of the queue.
func (in *inbox) given(c *Command) {
	in.commands--
	in.cmdBytes -= c.size()
	in.commandsAgain = max(0, in.commandsAgain-1)
	in.bytesAgain = max(0, in.bytesAgain-c.size())
}

// waiting tells since when the short audio that take refuses has waited; ok is false when there is none.
func (in *inbox) waiting() (since time.Time, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.firstShort, in.unsent > 0
}
