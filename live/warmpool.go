package live

// Pool is what a Dialer that keeps connections warm tells of them. It is safe for concurrent use.
type Pool interface{ PoolStats() PoolStats }

// PoolStats count the connections that were opened before a conversation needed them, since the process began. Each
// connection that a conversation asks for is a hit or a miss.
type PoolStats struct {
	Hits   int64 `json:"hits"`   // setups that the model answered on a warm connection
	Misses int64 `json:"misses"` // connections that had to be dialled while the conversation waited
	Dead   int64 `json:"dead"`   // warm connections that had ended by themselves, whether before or when they were taken
	Idle   int64 `json:"idle"`   // warm connections at this moment
}

// pools are the figures of the backends that keep connections warm.
func (g *Gateway) pools() map[string]PoolStats {
	all := map[string]PoolStats{}
	for name, b := range g.backends {
		if b.Pool != nil {
			all[name] = b.Pool.PoolStats()
		}
	}
	return all
}
