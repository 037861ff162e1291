package live

import (
	"encoding/json"
	"sync"
)

// plans are those that sessions began with: most clients ask for the same, and plans are never changed, so that sessions
// share them.
type plans struct {
	mu   sync.Mutex
	from *Config          // what they were resolved with; guarded by mu, as all below
	by   map[string]*plan // by backend and what was asked for
}

// maxPlans bounds the plans that are remembered, not those in use.
const maxPlans = 256

// plan is resolve, once for all who ask for the same. A person's name makes a plan that nobody else has.
func (p *plans) plan(cfg *Config, backend string, c *StartConfig) (*plan, error) {
	asked, err := json.Marshal(c)
	shared := err == nil && c.UserID == nil && len(asked) <= maxPlanKey
	key := backend + string(asked)
	if shared {
		if known := p.known(cfg, key); known != nil {
			return known, nil
		}
	}
	made, err := resolve(cfg, backend, c)
	if err != nil {
		return nil, err
	}
	if shared {
		p.remember(cfg, key, &made)
	}
	return &made, nil
}

// maxPlanKey is how long what was asked for may be, to be remembered: clients must not fill the memory.
const maxPlanKey = 1 << 10

func (p *plans) known(cfg *Config, key string) *plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from != cfg {
		return nil
	}
	return p.by[key]
}

func (p *plans) remember(cfg *Config, key string, made *plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.from != cfg || len(p.by) >= maxPlans {
		p.from, p.by = cfg, map[string]*plan{}
	}
	p.by[key] = made
}
