package live

// The states of a session's two ends, and what moves them. The tables are the only place where a state changes;
// testdata/states.json holds a vector for every edge, and a test sees to it that there is an edge for every vector.
type (
	browserState  string
	upstreamState string
	stateEvent    string
)

const (
	browserAttached browserState = "attached" // a connection carries the conversation
	browserDetached browserState = "detached" // the connection is lost; another one may take its place
	browserEnded    browserState = "ended"

	upstreamConnecting upstreamState = "connecting"
	upstreamLive       upstreamState = "live"     // setup accepted
	upstreamRenewing   upstreamState = "renewing" // the next connection is being made
	upstreamClosing    upstreamState = "closing"
	upstreamGone       upstreamState = "gone"

	eventLost   stateEvent = "lost"   // the browser's connection
	eventResume stateEvent = "resume" // another connection of the browser took over
	eventReady  stateEvent = "ready"  // the upstream accepted the setup
	eventBroken stateEvent = "broken" // the upstream's connection is over, or will be
	eventEnd    stateEvent = "end"    // the session has a reason to end
	eventClosed stateEvent = "closed" // everything is told and closed
)

var browserTable = map[browserState]map[stateEvent]browserState{
	browserAttached: {
		eventLost:   browserDetached,
		eventResume: browserAttached,
		eventClosed: browserEnded,
	},
	browserDetached: {
		eventResume: browserAttached,
		eventClosed: browserEnded,
	},
}

var upstreamTable = map[upstreamState]map[stateEvent]upstreamState{
	upstreamConnecting: {
		eventReady: upstreamLive,
		eventEnd:   upstreamClosing,
	},
	upstreamLive: {
		eventBroken: upstreamRenewing,
		eventEnd:    upstreamClosing,
	},
	upstreamRenewing: {
		eventReady: upstreamLive,
		eventEnd:   upstreamClosing,
	},
	upstreamClosing: {
		eventClosed: upstreamGone,
	},
}

// move takes the session's ends through an event. An event that an end's table does not know leaves it as it is:
// most events concern one end only. Called with life.mu held.
func (l *life) move(e stateEvent) {
	if to, ok := browserTable[l.browser][e]; ok {
		l.browser = to
	}
	if to, ok := upstreamTable[l.upstream][e]; ok {
		l.upstream = to
	}
}

// state is one word for both, as operators read it.
func (l *life) state() string {
	switch {
	case l.upstream == upstreamClosing || l.upstream == upstreamGone:
		return "ending"
	case l.browser == browserDetached:
		return "detached"
	default:
		return string(l.upstream)
	}
}
