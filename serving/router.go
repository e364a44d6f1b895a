package serving

import (
	"fmt"
	"strings"
)

// Router says which replica gets a request.
type Router uint8

// The ways to choose a replica.
const (
	RoundRobin  Router = iota // the replicas in turn
	LeastLoaded               // the one with the fewest requests, running and waiting together
	// PrefixAffinity chooses the replica whose cache holds most of the prompt. Where that is less
	// than half of the prompt, or where loads differ much (by more than 32 and more than a factor
	// of 1.1), it chooses the one with the fewest requests (SGLang's router,
	// sgl-router/src/policies/cache_aware.rs).
	PrefixAffinity
)

var routerNames = []string{"round-robin", "least-loaded", "prefix-affinity"}

func (r Router) String() string { return routerNames[r] }

// Routers lists the names of the routers.
func Routers() []string { return append([]string(nil), routerNames...) }

// ParseRouter reads a router's name.
func ParseRouter(s string) (Router, error) {
	for i, n := range routerNames {
		if n == strings.ToLower(s) {
			return Router(i), nil
		}
	}
	return 0, fmt.Errorf("router %q is not one of %s", s, strings.Join(routerNames, ", "))
}

func (f *fleet) route(q *Request) *Replica {
	replicas, _ := f.pools()
	if len(replicas) == 1 {
		return replicas[0]
	}
	if f.o.Router == PrefixAffinity {
		return f.withPrefix(replicas, q)
	}
	n := f.limits.Schedulers()
	deployments := len(replicas) / n
	i := f.turn % deployments
	if f.o.Router == LeastLoaded {
		i = 0
		for j := range deployments {
			if loads(replicas[j*n:(j+1)*n]) < loads(replicas[i*n:(i+1)*n]) {
				i = j
			}
		}
	}
	of := replicas[i*n : (i+1)*n]
	group := of[f.turn/deployments%n]
	f.turn++
	if f.limits.InTurn {
		return group
	}
	return leastBusy(of)
}

func loads(rs []*Replica) (n int) {
	for _, r := range rs {
		n += r.load()
	}
	return n
}

// leastBusy returns the first of the replicas with the fewest requests; one that waits counts as
// four that run (vLLM: v1/engine/core_client.py, get_core_engine_for_request).
func leastBusy(rs []*Replica) *Replica {
	best, least := rs[0], 0
	for i, r := range rs {
		if n := r.load() + 3*r.waiting.len(); i == 0 || n < least {
			best, least = r, n
		}
	}
	return best
}

// withPrefix returns the replica whose cache holds most of a prompt, or the one with the fewest
// requests.
func (f *fleet) withPrefix(replicas []*Replica, q *Request) *Replica {
	least, most := replicas[0], replicas[0]
	for _, r := range replicas {
		if r.load() < least.load() {
			least = r
		}
		if r.load() > most.load() {
			most = r
		}
	}
	if most.load()-least.load() > 32 && 10*most.load() > 11*least.load() {
		return least
	}
	best, found := least, 0
	s := &seq{Request: *q}
	for _, r := range replicas {
		if n, _ := r.pool.hit(s, q.Prompt); n > found {
			best, found = r, n
		}
	}
	if 2*found*best.pool.layout.block < q.Prompt {
		return least
	}
	return best
}
