package live

// What waits in the inbox was marked as its time's way of marking speech asked for. When another way comes into effect, after
// a rewind and before anything is sent, it is made to fit: upstreams close the connection on marks that do not.

// enclose makes one activity of the speech that has yet to go up: the upstream hears nothing outside of activities any more.
func (in *inbox) enclose() {
	in.mu.Lock()
	defer in.mu.Unlock()
	first := -1
	for i := range in.items.len() {
		it := in.items.at(i)
		if it.command != nil && it.command.Kind == CommandAudioStreamEnd {
			in.strike(i)
		}
		if i >= in.done && it.due() && first < 0 {
			first = i
		}
	}
	if first < 0 {
		return
	}
	start, end := *in.items.at(first), item{seq: in.received, pos: in.samples}
	start = item{seq: start.seq, pos: start.pos}
	in.put(first, start, CommandActivityStart)
	in.put(in.items.len(), end, CommandActivityEnd)
}

// put makes a mark the item at i. Called with mu held.
func (in *inbox) put(i int, it item, kind CommandKind) {
	it.command = &Command{Kind: kind}
	in.push(it)
	for at := in.items.len() - 1; at > i; at-- {
		*in.items.at(at) = *in.items.at(at - 1)
	}
	*in.items.at(i) = it
	in.commands++
	if in.first+int64(i) < in.everGiven {
		in.everGiven++
	}
}

// strike takes the command at i away, whether it has yet to go up or is kept. Called with mu held.
func (in *inbox) strike(i int) {
	it := in.items.at(i)
	switch {
	case i < in.done:
		in.keptBytes -= it.command.cost()
	case it.waiting():
		in.given(it.command)
	}
	it.command = nil
}

// unmark takes the marks of activities away. Where one ended the upstream is told that the speech is over.
func (in *inbox) unmark() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.unmarkAside()
	for i := range in.items.len() {
		it := in.items.at(i)
		switch {
		case it.command == nil:
		case it.command.Kind == CommandActivityStart:
			in.strike(i)
		case it.command.Kind == CommandActivityEnd:
			it.command = &Command{Kind: CommandAudioStreamEnd}
		}
	}
}
