package checkpoint

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/arch"
)

// Scheme is how a model type names its tensors.
//
// Names are looked up by kind and weight ("attention.qkv", "swiglu.up"; "mixer_norm" and
// what is outside the layers by themselves). A name below a layer is relative to it; one
// that begins with "/" is absolute.
type scheme struct {
	layers string            // prefix of a layer, with %d for its number
	in     map[string]string // by kind: the module of the layer it lies in, "self_attn."
	names  map[string]entry
	// buffers are ends of the names of tensors that follow from the configuration.
	buffers []string
	at      func(p place) string // key to look up instead of the usual one; "" is the usual one
	// copyOf names the tensor that another one repeats, "" where it repeats none: weights that
	// layers share are in some files once for each.
	copyOf func(m *arch.Model, tensor string) string
}

// entry is where one kind of weight lies.
type entry struct {
	tensors []string
	join    func(place) joiner   // nil: one behind the other
	named   func(place) []string // the tensors where they follow from the place, instead
	or      *entry               // in files of another age
}

// orIn is an entry that files of another age have under other names.
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

// lies is where an entry's weight lies.
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

// plain makes a joiner that does not depend on the place.
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

// inside returns the scheme with some modules of a layer named otherwise.
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
