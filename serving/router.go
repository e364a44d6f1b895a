package serving

import (
	"fmt"
	"strings"
)

// Router says which replica of a fleet takes a request.
type Router uint8

// The routers.
const (
	RoundRobin  Router = iota // each in turn
	LeastLoaded               // the one with the fewest requests, running and waiting
	// PrefixAffinity takes the one whose cache has most of the prompt, unless that is less
	// than half of it or the loads are far apart (more than 32 and more than 1.1 times); then
	// the least loaded (SGLang's router, sgl-router/src/policies/cache_aware.rs).
	PrefixAffinity
)

var routerNames = []string{"round-robin", "least-loaded", "prefix-affinity"}

func (r Router) String() string { return routerNames[r] }

// Routers lists the routers.
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
	least, most := replicas[0], replicas[0]
	for _, r := range replicas {
		if r.load() < least.load() {
			least = r
		}
		if r.load() > most.load() {
			most = r
		}
	}
	switch f.o.Router {
	case LeastLoaded:
		return least
	case PrefixAffinity:
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
	r := replicas[f.turn%len(replicas)]
	f.turn++
	return r
}
