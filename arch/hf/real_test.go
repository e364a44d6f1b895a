package hf

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch"
)

// realCase is a configuration as Transformers writes it by default, or as a public
// repository has it (cut to what shapes the model), and what the modelling code makes of it.
type realCase struct {
	Name   string          `json:"name"`
	Config json.RawMessage `json:"config"`
	Params int64           `json:"params"`
	// bf16 bytes: cache of a token stored and read (windowed layers in neither), windows full,
	// states of a sequence; absent where nobody worked them out.
	Stored, Read, Window, State *int64 `json:"-"`
}

func (c *realCase) UnmarshalJSON(b []byte) error {
	type plain realCase
	aux := struct {
		*plain
		Stored *int64 `json:"kv_stored"`
		Read   *int64 `json:"kv_read"`
		Window *int64 `json:"window"`
		State  *int64 `json:"state"`
	}{plain: (*plain)(c)}
	err := json.Unmarshal(b, &aux)
	c.Stored, c.Read, c.Window, c.State = aux.Stored, aux.Read, aux.Window, aux.State
	return err
}

func realCases(t testing.TB) []realCase {
	data, err := os.ReadFile("testdata/real.json")
	if err != nil {
		t.Fatal(err)
	}
	// Python writes Infinity where JSON has no word for it.
	data = []byte(strings.ReplaceAll(string(data), "Infinity", "1e300"))
	var all []realCase
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Every real configuration of a type that is read gives the parameters and the cache that
// the modelling code has, exactly. Any other is refused by name, never guessed.
func TestRealConfigurations(t *testing.T) {
	refused := 0
	seen := map[string]bool{}
	for _, c := range realCases(t) {
		m, err := Import(c.Name, c.Config)
		if err != nil {
			if !strings.Contains(err.Error(), "that are read") && !strings.Contains(err.Error(), "is not read") && !strings.Contains(err.Error(), "is not modelled") &&
				c.Name != "qwen3-omni-30b-a3b" { // leaves its sizes to a class whose defaults are another model's

				t.Errorf("%s: %v", c.Name, err)
			}
			refused++
			continue
		}
		typ := TypeOf(c.Config)
		seen[typ] = true
		// Transformers keeps a router's correction as a buffer and does not count it.
		if n := m.Params().Total; n != c.Params && n-corrections(m) != c.Params && n-corrections(m)+passedOver(m) != c.Params {
			t.Errorf("%s: %d parameters, the modelling code has %d", c.Name, n, c.Params)
		}
		stored, read, window, state := cacheBytes(m)
		for _, f := range []struct {
			what string
			got  int64
			want *int64
		}{{"stored", stored, c.Stored}, {"read", read, c.Read}, {"windows", window, c.Window}, {"states", state, c.State}} {
			if f.want != nil && f.got != *f.want {
				t.Errorf("%s: %s %d bytes, right is %d", c.Name, f.what, f.got, *f.want)
			}
		}
	}
	t.Logf("%d refused", refused)
}

// corrections counts the parameters by which routers correct their choice, and the scales of
// layers: buffers both.
func corrections(m *arch.Model) (n int64) {
	if m.LayerScales {
		n += int64(len(m.Layers))
	}
	for _, l := range m.Layers {
		if f, ok := l.FFN.(arch.MoE); ok && f.RouterBias && f.Routing.Correction {
			n += int64(f.Experts)
		}
		if f, ok := l.FFN.(arch.ShortcutMoE); ok {
			n += int64(f.Mixture().Scores())
		}
	}
	return n
}

// passedOver counts what Transformers keeps for experts that pass their input on: maps to gate and
// up that nothing reads, and that no checkpoint has.
func passedOver(m *arch.Model) (n int64) {
	for _, l := range m.Layers {
		if f, ok := l.FFN.(arch.ShortcutMoE); ok {
			n += int64(f.Zero) * int64(2*f.ExpertInner) * int64(m.Width)
		}
	}
	return n
}

// cacheBytes counts bf16 bytes from what the mixers say they store and read.
func cacheBytes(m *arch.Model) (stored, read, window, state int64) {
	for _, p := range m.Mixers() {
		s := p.Stores()
		state += 2 * int64(s.StateElements+s.ConvElements)
		if r, ok := p.Reads().Cache.Layer(); ok {
			s = arch.CacheOwner(m.Layers[r].Mixer).Stores()
			if w := p.Stores().Window; s.Window == 0 && w == 0 {
				read += 2 * int64(s.CacheElements)
			}
			continue
		}
		if s.Window > 0 {
			window += 2 * int64(s.CacheElements) * int64(s.Window)
			continue
		}
		stored += 2 * int64(s.CacheElements)
		read += 2 * int64(s.CacheElements-s.PickedElements)
		window += 2 * int64(s.PickedElements) * int64(s.Picked)
	}
	return stored, read, window, state
}
