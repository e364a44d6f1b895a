package arch

import (
	"fmt"
	"maps"
	"slices"

	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

// Stored says how a checkpoint stores one weight. The zero value stands for the model's
// WeightDType.
type Stored struct {
	Format formats.Format // format of most of the weight
	Bytes  int64          // all bytes: every copy, with scales and zero points
}

// StoredWeights says how a checkpoint stores the weights of a layer. It is never changed after it
// was made; layers that are stored in the same way share one. nil says nothing.
//
// Weights have the names of Mixer.Weights and FFN.Weights with "mixer." and "ffn." before them;
// the norms outside those have the names of LayerNorms.
type StoredWeights struct {
	of map[string]Stored
}

// LayerNorms lists the names of the norms that a layer may have outside its mixer and FFN.
func LayerNorms() []string {
	return []string{"mixer_norm", "ffn_norm", "mixer_post_norm", "ffn_post_norm"}
}

// StoreWeights makes a table.
func StoreWeights(of map[string]Stored) *StoredWeights { return &StoredWeights{maps.Clone(of)} }

// Of says how a weight is stored; the second value is false where the table does not say it.
func (s *StoredWeights) Of(name string) (Stored, bool) {
	if s == nil {
		return Stored{}, false
	}
	w, ok := s.of[name]
	return w, ok
}

// Names lists the weights in the table, sorted.
func (s *StoredWeights) Names() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.of))
}

// Equal reports whether two tables say the same.
func (s *StoredWeights) Equal(o *StoredWeights) bool {
	if s == nil || o == nil {
		return s == o
	}
	return maps.Equal(s.of, o.of)
}

// Quantised reports whether the checkpoint says how any of its weights is stored.
func (m *Model) Quantised() bool {
	if m.EmbeddingStored != (Stored{}) || m.HeadStored != (Stored{}) {
		return true
	}
	for i := range m.Layers {
		if m.Layers[i].Stored != nil {
			return true
		}
	}
	return false
}

// Share is what the weights stored in one format take.
type Share struct {
	Format string `json:"format"`
	Params int64  `json:"params"`
	Bytes  int64  `json:"bytes"`
}

// StoredShares lists what the checkpoint's weights take in each format, the largest share first:
// quantised weights and those that were left as they were. The sum is the size of all weights.
func (m *Model) StoredShares() []Share {
	base := m.WeightDType
	if base == precision.Unset {
		base = precision.BF16
	}
	plain := formats.Of(base)
	at := map[string]int{}
	var out []Share
	add := func(s Stored, said bool, elements int64) {
		if !said {
			s = Stored{plain, plain.Bytes(1, int(elements))}
		}
		name := s.Format.String()
		i, ok := at[name]
		if !ok {
			i = len(out)
			at[name] = i
			out = append(out, Share{Format: name})
		}
		out[i].Params += elements
		out[i].Bytes += s.Bytes
	}
	embedding := int64(m.Vocab) * int64(m.Width)
	add(m.EmbeddingStored, m.EmbeddingStored != Stored{}, embedding)
	if !m.Tied {
		add(m.HeadStored, m.HeadStored != Stored{}, embedding)
	}
	listed := embedding
	if !m.Tied {
		listed += embedding
	}
	for _, l := range m.Layers {
		weights := func(scope string, ws []Weight) {
			for _, w := range ws {
				s, ok := l.Stored.Of(scope + w.Name)
				add(s, ok, w.Elements())
				listed += w.Elements()
			}
		}
		if l.Mixer != nil {
			weights("mixer.", l.Mixer.Weights(m.Width))
		}
		if l.FFN != nil {
			weights("ffn.", l.FFN.Weights(m.Width))
		}
		for _, name := range LayerNorms() {
			if s, ok := l.Stored.Of(name); ok {
				add(s, true, m.normParams())
				listed += m.normParams()
			}
		}
	}
	if m.FinalNormStored != (Stored{}) {
		add(m.FinalNormStored, true, m.normParams())
		listed += m.normParams()
	}
	if rest := m.Params().Total - listed; rest > 0 { // norms, and the bias of the head
		add(Stored{}, false, rest)
	}
	slices.SortStableFunc(out, func(a, b Share) int { return int(min(max(b.Bytes-a.Bytes, -1), 1)) })
	return out
}

// StoredSummary names the formats of the checkpoint's weights, each with its share of the bytes:
// "awq4 61%, bf16 39%".
func (m *Model) StoredSummary() string {
	shares := m.StoredShares()
	total := int64(0)
	for _, s := range shares {
		total += s.Bytes
	}
	text := ""
	for i, s := range shares {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s %.0f%%", s.Format, 100*float64(s.Bytes)/float64(max(total, 1)))
	}
	return text
}
