package checkpoint

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// scheme says how a model type names its tensors.
//
// Names are looked up by kind and weight ("attention.qkv", "swiglu.up"), or by one name
// ("mixer_norm", and everything outside the layers). The name of a tensor of a layer is relative
// to the layer's prefix, unless it begins with "/".
type scheme struct {
	layers string            // prefix of a layer, with %d for its number
	in     map[string]string // by kind: the module of the layer it lies in, "self_attn."
	names  map[string]entry
	// buffers lists endings of names of tensors that follow from the configuration.
	buffers []string
	at      func(p place) string // key to look up instead of the usual one; "" is the usual one
	// copyOf returns the name of the tensor of which another is a copy, "" where it is a copy of
	// none: some files store weights that layers share once for each layer.
	copyOf func(m *arch.Model, tensor string) string
}

// entry says where one kind of weight is stored.
type entry struct {
	tensors []string
	join    func(place) joiner   // nil where tensors follow one another
	named   func(place) []string // where it is not nil, the names of the tensors, which depend on the place
	or      *entry               // where older or newer files store the weight
}

// orIn returns an entry that other files have under other names.
func (e entry) orIn(other entry) entry {
	e.or = &other
	return e
}

func (s scheme) weight(m *arch.Model, name string) (Weight, error) {
	p, err := find(m, name)
	if err != nil {
		return Weight{}, err
	}
	key := ""
	if s.at != nil {
		key = s.at(p)
	}
	if key == "" {
		key = p.key()
	}
	e, ok := s.names[key]
	if !ok {
		return Weight{}, fmt.Errorf("no tensor is known to hold %s (%s)", name, key)
	}
	return s.lies(e, p), nil
}

// lies returns where the weight of an entry is stored.
func (s scheme) lies(e entry, p place) Weight {
	w := Weight{}
	tensors := e.tensors
	if e.named != nil {
		tensors = e.named(p)
	}
	for _, t := range tensors {
		if abs, ok := strings.CutPrefix(t, "/"); ok {
			w.Tensors = append(w.Tensors, abs)
			continue
		}
		prefix := fmt.Sprintf(s.layers, p.layer)
		if p.kind != "" {
			prefix += s.in[p.kind]
		}
		w.Tensors = append(w.Tensors, prefix+t)
	}
	if e.join != nil {
		w.join = e.join(p)
	}
	if e.or != nil {
		other := s.lies(*e.or, p)
		w.or = &other
	}
	return w
}

func (p place) key() string {
	if p.kind != "" {
		return p.kind + "." + p.name
	}
	return p.name
}

func one(t ...string) entry { return entry{tensors: t} }

func joined(j func(place) joiner, t ...string) entry { return entry{tensors: t, join: j} }

// plain makes a joiner that is the same for all places.
func plain(j joiner) func(place) joiner { return func(place) joiner { return j } }

// with returns the scheme with some names replaced or added.
func (s scheme) with(change map[string]entry) scheme {
	names := make(map[string]entry, len(s.names)+len(change))
	for k, v := range s.names {
		names[k] = v
	}
	for k, v := range change {
		names[k] = v
	}
	s.names = names
	return s
}

// inside returns the scheme with some modules of a layer renamed.
func (s scheme) inside(change map[string]string) scheme {
	in := make(map[string]string, len(s.in)+len(change))
	for k, v := range s.in {
		in[k] = v
	}
	for k, v := range change {
		in[k] = v
	}
	s.in = in
	return s
}
