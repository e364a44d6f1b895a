package modelfile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/formats"
)

// storedLines says how the checkpoint stores the weights, in lines that readStored reads:
//
//	embedding: q4_k 123456
//	layers 0 2-27: mixer.qkv awq4 6144000, ffn.up awq4 24576000
//
// A weight is followed by its format and its bytes. Layers that are stored alike share a
// line.
func storedLines(m *arch.Model) []string {
	var lines []string
	for _, o := range outside(m) {
		if *o.at != (arch.Stored{}) {
			lines = append(lines, fmt.Sprintf("%s: %s %d", o.name, o.at.Format, o.at.Bytes))
		}
	}
	type group struct {
		table  *arch.StoredWeights
		layers []int
	}
	var groups []group
next:
	for i, l := range m.Layers {
		if l.Stored == nil {
			continue
		}
		for j := range groups {
			if groups[j].table.Equal(l.Stored) {
				groups[j].layers = append(groups[j].layers, i)
				continue next
			}
		}
		groups = append(groups, group{l.Stored, []int{i}})
	}
	for _, g := range groups {
		var weights []string
		for _, name := range g.table.Names() {
			s, _ := g.table.Of(name)
			weights = append(weights, fmt.Sprintf("%s %s %d", name, s.Format, s.Bytes))
		}
		lines = append(lines, "layers "+ranges(g.layers)+": "+strings.Join(weights, ", "))
	}
	return lines
}

type outsideField struct {
	name string
	at   *arch.Stored
}

func outside(m *arch.Model) []outsideField {
	return []outsideField{{"embedding", &m.EmbeddingStored}, {"head", &m.HeadStored}, {"final_norm", &m.FinalNormStored}}
}

// ranges writes ascending numbers as "0 2-27".
func ranges(n []int) string {
	var parts []string
	for i := 0; i < len(n); {
		j := i
		for j+1 < len(n) && n[j+1] == n[j]+1 {
			j++
		}
		s := strconv.Itoa(n[i])
		if j > i {
			s += "-" + strconv.Itoa(n[j])
		}
		parts = append(parts, s)
		i = j + 1
	}
	return strings.Join(parts, " ")
}

// readStored reads the lines of storedLines into a model that has its layers.
func readStored(m *arch.Model, lines []string) error {
lines:
	for _, line := range lines {
		where, what, ok := strings.Cut(line, ": ")
		if !ok {
			return fmt.Errorf("%q has no \": \" behind the layers it is about", line)
		}
		for _, o := range outside(m) {
			if o.name == where {
				s, err := readWeight(where + " " + what)
				if err != nil {
					return err
				}
				*o.at = s.stored
				continue lines
			}
		}
		numbers, ok := strings.CutPrefix(where, "layers ")
		if !ok {
			return fmt.Errorf("%q is none of embedding, head, final_norm and layers", where)
		}
		of := map[string]arch.Stored{}
		for _, w := range strings.Split(what, ", ") {
			s, err := readWeight(w)
			if err != nil {
				return err
			}
			if _, twice := of[s.name]; twice {
				return fmt.Errorf("%s is given twice", s.name)
			}
			of[s.name] = s.stored
		}
		table := arch.StoreWeights(of)
		for _, r := range strings.Fields(numbers) {
			low, high, isRange := strings.Cut(r, "-")
			if !isRange {
				high = low
			}
			from, err1 := strconv.Atoi(low)
			to, err2 := strconv.Atoi(high)
			if err1 != nil || err2 != nil || from < 0 || to < from || to >= len(m.Layers) {
				return fmt.Errorf("layers %q are not among the %d of the model", r, len(m.Layers))
			}
			for i := from; i <= to; i++ {
				if m.Layers[i].Stored != nil {
					return fmt.Errorf("layer %d is given twice", i)
				}
				m.Layers[i].Stored = table
			}
		}
	}
	return nil
}

type storedWeight struct {
	name   string
	stored arch.Stored
}

// readWeight reads "mixer.qkv awq4 6144000".
func readWeight(s string) (w storedWeight, err error) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return w, fmt.Errorf("%q is not a weight, its format and its bytes", s)
	}
	w.name = f[0]
	if w.stored.Format, err = formats.Parse(f[1]); err != nil {
		return w, err
	}
	if w.stored.Bytes, err = strconv.ParseInt(f[2], 10, 64); err != nil || w.stored.Bytes <= 0 {
		return w, fmt.Errorf("%s: %q is not a number of bytes", w.name, f[2])
	}
	return w, nil
}
