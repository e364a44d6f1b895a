package hardware

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/OWNER/ridgeline/internal/input"
	"github.com/OWNER/ridgeline/internal/plain"
	"github.com/OWNER/ridgeline/precision"
)

//go:embed profiles/*.yaml
var embedded embed.FS

// names returns the names of the embedded profiles, sorted. A profile's name is that of its file
// without .yaml.
var names = sync.OnceValue(func() []string {
	files, err := embedded.ReadDir("profiles") // in name order
	if err != nil {
		panic(err) // cannot happen: the directory is part of the binary
	}
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(f.Name(), ".yaml"))
	}
	return out
})

var opened sync.Map // name → *Profile

// open decodes an embedded profile the first time it is asked for.
func open(name string) *Profile {
	if p, ok := opened.Load(name); ok {
		return p.(*Profile)
	}
	b, err := embedded.ReadFile("profiles/" + name + ".yaml")
	if err == nil {
		var p *Profile
		if p, err = Parse(name+".yaml", b); err == nil {
			first, _ := opened.LoadOrStore(name, p)
			return first.(*Profile)
		}
	}
	panic("hardware: embedded profile: " + err.Error()) // cannot happen: a test opens all of them
}

// All returns the embedded profiles, sorted by name. Callers share them and must not change them.
func All() []*Profile {
	var all []*Profile
	for _, n := range names() {
		all = append(all, open(n))
	}
	return all
}

// Names returns the names of the embedded profiles, sorted.
func Names() []string { return slices.Clone(names()) }

// Lookup returns an embedded profile by its name; case does not matter, and _ is read as -. Where
// there is none, the error lists names that begin alike, or all names.
func Lookup(name string) (*Profile, error) {
	n := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
	var near []string
	for _, known := range names() {
		if known == n {
			return open(n), nil
		}
		if n != "" && strings.HasPrefix(known, n) {
			near = append(near, known)
		}
	}
	switch len(near) {
	case 0:
		return nil, fmt.Errorf("unknown hardware %q (know %s; or a profile file ending in .yaml)", name, strings.Join(Names(), ", "))
	case 1:
		return nil, fmt.Errorf("unknown hardware %q: did you mean %s?", name, near[0])
	}
	return nil, fmt.Errorf("hardware %q could be %s: name one", name, strings.Join(near, " or "))
}

// Open returns an embedded profile, or reads a file where the name ends in .yaml or .yml or has a
// path separator.
func Open(name string) (*Profile, error) {
	if strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.ContainsRune(name, os.PathSeparator) {
		return Load(name)
	}
	return Lookup(name)
}

// Load reads a profile from a file.
func Load(path string) (*Profile, error) {
	b, err := input.ReadYAML(path)
	if err != nil {
		return nil, err
	}
	return Parse(filepath.Base(path), b)
}

// UnmarshalYAML reads a figure: {value, source}, or, in a file that a user wrote, a number alone,
// whose source is then "user".
func (f *Figure) UnmarshalYAML(unmarshal func(any) error) error {
	var v float64
	err := unmarshal(&v)
	if err == nil {
		*f = Figure{Value: v, Source: "user"}
		return nil
	}
	if text := ""; unmarshal(&text) == nil {
		return err // the value is no number, or too large for one
	}
	type plain Figure
	return unmarshal((*plain)(f))
}

// Parse reads a profile. An error is one line with the file's name and, where it is about YAML,
// the line number.
func Parse(file string, data []byte) (*Profile, error) {
	p := &Profile{}
	if len(strings.TrimSpace(string(data))) == 0 {
		return nil, fmt.Errorf("%s: empty: a hardware profile is needed: name, memory, bandwidth and peaks, as a built-in one has them", file)
	}
	if err := input.Decode(file, data, p); err != nil {
		return nil, err
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", file, lineOf(data, err), err)
	}
	return p, nil
}

// fieldError names a field and says what is wrong with its value.
type fieldError struct{ field, what string }

func (e *fieldError) Error() string { return e.field + ": " + e.what }

// lineOf finds the line on which the field of an error stands: 1 where the field is missing.
func lineOf(data []byte, err error) int {
	var fe *fieldError
	if errors.As(err, &fe) {
		key := fe.field[strings.LastIndexByte(fe.field, '.')+1:] + ":"
		for i, l := range strings.Split(string(data), "\n") {
			if strings.HasPrefix(strings.TrimSpace(l), key) {
				return i + 1
			}
		}
	}
	return 1
}

// Validate returns an error unless a profile has what a cost model needs: a name, a positive
// bandwidth, capacity and peaks; every figure must be finite and cite a source that is named.
func (p *Profile) Validate() error {
	if p.Name == "" {
		return &fieldError{"name", "missing: give the profile a name"}
	}
	texts := map[string]string{"name": p.Name, "title": p.Title, "vendor": p.Vendor, "arch": p.Arch}
	for name, text := range p.Sources {
		texts["sources"] += name + text
	}
	texts["notes"] = strings.ReplaceAll(strings.Join(p.Notes, ""), "\n", " ")
	for _, field := range []string{"name", "title", "vendor", "arch", "sources", "notes"} {
		check := plain.Name
		if field == "sources" || field == "notes" { // these hold several values
			check = plain.Check
		}
		if err := check("it", texts[field]); err != nil {
			return &fieldError{field, err.Error()}
		}
	}
	if len(p.Peak) == 0 {
		return &fieldError{"peak_flops", "missing: give at least one number format, such as bf16: 100e12"}
	}
	for d := precision.FP32; d <= precision.FP4; d++ {
		if f, ok := p.Peak[d]; ok {
			if err := p.check("peak_flops."+d.String(), f, true); err != nil {
				return err
			}
		}
	}
	if _, ok := p.Peak[precision.Unset]; ok {
		return &fieldError{"peak_flops", "a number format has no name"}
	}
	for _, f := range p.figures() {
		if err := p.check(f.name, *f.f, f.needed); err != nil {
			return err
		}
	}
	if n := p.NodeSize.Value; n != math.Trunc(n) || n > mostLinked {
		return &fieldError{"node_size", fmt.Sprintf("%g is not a number of devices, 1 to %d", n, mostLinked)}
	}
	return nil
}

type named struct {
	name   string
	f      *Figure
	needed bool
}

// figures lists the fields of a profile that hold one figure.
func (p *Profile) figures() []named {
	return []named{
		{"sustained_flops", &p.SustainedFLOPS, false}, {"memory_bandwidth", &p.MemoryBandwidth, true}, {"memory_capacity", &p.MemoryCapacity, true},
		{"cache", &p.Cache, false}, {"cache_bandwidth", &p.CacheBandwidth, false}, {"units", &p.Units, false}, {"link_bandwidth", &p.LinkBandwidth, false},
		{"max_linked", &p.MaxLinked, false}, {"node_size", &p.NodeSize, false}, {"network_bandwidth", &p.NetworkBandwidth, false},
		{"network_latency", &p.NetworkLatency, false},
		{"tdp", &p.TDP, false}, {"call_seconds", &p.CallSeconds, false},
	}
}

// largest is the largest figure that is accepted: a larger one is taken for a typing error, and
// times computed from it would not be numbers.
const largest = 1e24

func (p *Profile) check(name string, f Figure, needed bool) error {
	switch {
	case math.IsNaN(f.Value) || math.IsInf(f.Value, 0) || f.Value < 0:
		return &fieldError{name, fmt.Sprintf("%g is not a positive number", f.Value)}
	case needed && f.Value == 0:
		return &fieldError{name, "missing or zero: a positive number is needed"}
	case needed && f.Value < 1 || f.Value > largest:
		return &fieldError{name, fmt.Sprintf("%g is not from 1 to %g, in bytes, seconds and FLOPs", f.Value, largest)}
	case f.Value > 0 && f.Source != "user" && p.Sources[f.Source] == "":
		return &fieldError{name, fmt.Sprintf("source %q is not in sources", f.Source)}
	}
	return nil
}

// WriteYAML writes a profile so that Load can read it back.
func (p *Profile) WriteYAML(w io.Writer) error {
	b, err := yaml.Marshal(p)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
