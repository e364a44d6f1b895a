package explore

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/arch/modelfile"
	"github.com/OWNER/ridgeline/models"
)

// MostDesigns is the largest number of designs on the page at once.
const MostDesigns = 4

// State is what an address of the page holds: the designs and the flags that differ from their
// defaults.
type State struct {
	Designs []string // presets, family specs, or model files as "yaml:" and their text
	Flags   map[string]string
}

// yamlMark is what a design begins with that is the text of a model file.
const yamlMark = "yaml:"

// DesignError says which design is wrong and how.
type DesignError struct {
	Design int // counted from 0
	Err    error
}

func (e *DesignError) Error() string { return fmt.Sprintf("design %d: %v", e.Design+1, e.Err) }

// Unwrap returns the error without the number of the design.
func (e *DesignError) Unwrap() error { return e.Err }

// aside lists the parts of an address that do not belong to the state.
var aside = []string{"width", "theme", "design"}

// state reads the state from an address. It returns an error for settings that the page does not
// have and for devices that it does not offer, so that an address never opens a file.
func (s *Server) state(q url.Values) (State, error) {
	st := State{Designs: q["m"], Flags: map[string]string{}}
	if len(st.Designs) == 0 {
		return st, errors.New("the address names no design: add m=phi4-mini")
	}
	if len(st.Designs) > MostDesigns {
		return st, fmt.Errorf("the address names %d designs: at most %d stand beside each other", len(st.Designs), MostDesigns)
	}
	for name, v := range q {
		if name == "m" || slices.Contains(aside, name) {
			continue
		}
		known := name == "on" || slices.ContainsFunc(s.Choices.Controls, func(c Control) bool { return c.Flag == name })
		if !known {
			return st, fmt.Errorf("the address sets %q, which is not a setting of this page", short(name))
		}
		if len(v) != 1 {
			return st, fmt.Errorf("the address sets %s %d times", name, len(v))
		}
		if !utf8.ValidString(v[0]) || len(v[0]) > 500 {
			return st, fmt.Errorf("the address sets %s to a value that it cannot have", name)
		}
		st.Flags[name] = v[0]
	}
	for _, d := range strings.Split(st.Flags["on"], ",") {
		if d != "" && !s.offers(d) {
			return st, fmt.Errorf("unknown device %q (ridgeline hardware lists them; a profile file is given to ridgeline explore --on)", short(d))
		}
	}
	if d := st.Flags["draft"]; d != "" && d != "ngram" && d != "mtp" {
		if _, err := OpenDesign(d); err != nil || strings.HasPrefix(d, yamlMark) {
			return st, fmt.Errorf("draft %q is not ngram, mtp, a preset or a family", short(d))
		}
	}
	return st, s.checkPrice(st.Flags["price"])
}

// offers reports whether a device can be chosen on the page.
func (s *Server) offers(device string) bool {
	return slices.ContainsFunc(s.Choices.Devices, func(o Option) bool { return o.Value == device })
}

// checkPrice returns an error for a price that the command line would take for the name of a file
// or of a device.
func (s *Server) checkPrice(price string) error {
	if _, err := strconv.ParseFloat(strings.TrimPrefix(price, "$"), 64); err == nil || price == "" || price == "examples" {
		return nil
	}
	for _, part := range strings.Split(price, ",") {
		device, _, named := strings.Cut(strings.TrimSpace(part), "=")
		if !named {
			return fmt.Errorf("price %q is not USD an hour: write 3.50, or %s=3.50 for each device", short(price), s.Choices.Devices[0].Value)
		}
		if !s.offers(device) {
			return fmt.Errorf("price %q: unknown device %q", short(price), short(device))
		}
	}
	return nil
}

func short(s string) string {
	r := []rune(s)
	if len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}

// open opens the designs. Designs with the same name get a number added.
func (s *Server) open(st State) ([]*arch.Model, error) {
	var out []*arch.Model
	seen := map[string]int{}
	for i, d := range st.Designs {
		m, err := OpenDesign(d)
		if err != nil {
			return nil, &DesignError{i, err}
		}
		if seen[m.Name]++; seen[m.Name] > 1 {
			m = m.Clone()
			m.Name = fmt.Sprintf("%s (%d)", m.Name, seen[m.Name])
		}
		out = append(out, m)
	}
	return out, nil
}

// OpenDesign opens a preset, the text of a family's model, or the text of a model file. It never
// opens a file.
func OpenDesign(d string) (*arch.Model, error) {
	if text, ok := strings.CutPrefix(d, yamlMark); ok {
		return modelfile.Parse("model.yaml", []byte(text))
	}
	if m, err := models.Preset(d); err == nil {
		return m, nil
	}
	if name, _, _ := strings.Cut(d, "("); family.Known(strings.TrimSpace(name)) {
		return family.ParseSpec(d)
	}
	return nil, fmt.Errorf("unknown model %q: name a preset or a family such as sambay(d=16), or drop a model file", short(d))
}

// file returns the name under which a design's model file is downloaded, and by which the command
// line finds that file.
func file(m *arch.Model) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r) {
			return r
		}
		return '-'
	}, m.Name)
	return strings.Trim(name, "-.") + ".yaml"
}

// command returns the command line that prices the state: the verb, the designs, and the flags
// that differ from their defaults.
func (s *Server) command(verb string, st State, ms []*arch.Model) string {
	words := append([]string{"ridgeline"}, strings.Fields(verb)...)
	for i, d := range st.Designs {
		if strings.HasPrefix(d, yamlMark) {
			d = file(ms[i])
		}
		words = append(words, d)
	}
	flags := make([]string, 0, len(st.Flags))
	for f := range st.Flags {
		flags = append(flags, f)
	}
	slices.Sort(flags)
	for _, f := range flags {
		if v := st.Flags[f]; v != "" && !s.usual(f, v) && takes(verb, f) {
			words = append(words, "--"+f, v)
		}
	}
	for i, w := range words {
		words[i] = Quoted(w)
	}
	return strings.Join(words, " ")
}

// takes reports whether a verb has a flag that not every verb has.
func takes(verb, flag string) bool {
	kind, plots := strings.CutPrefix(verb, "plot ")
	switch flag {
	case "serve":
		return !plots || kind == "load"
	case "slo":
		return !plots
	case "price":
		return !plots || kind == "cost"
	case "draft", "draft-tokens", "acceptance":
		return !plots || kind == "load"
	}
	return true
}

// usual reports whether a flag has its default value.
func (s *Server) usual(flag, value string) bool {
	for _, c := range s.Choices.Controls {
		if c.Flag == flag {
			return c.Default == value
		}
	}
	return false
}

// Quoted puts a word in quotation marks where a shell needs them.
func Quoted(w string) string {
	if w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=,:+@%") == "" {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
