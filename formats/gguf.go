package formats

import (
	"fmt"
	"strings"

	"github.com/OWNER/ridgeline/internal/ceil"
	"github.com/OWNER/ridgeline/precision"
)

// GGUF is a tensor type of GGUF files, by its number in the file (ggml.h, ggml_type).
type GGUF uint32

// The types that are plain numbers; GGUFF32 is 0.
const (
	GGUFF32  GGUF = 0
	GGUFF16  GGUF = 1
	GGUFBF16 GGUF = 30
)

// ggufType is how many values a block has and how many bytes it takes.
type ggufType struct {
	name          string
	values, bytes int64
}

// ggufTypes are the block layouts of ggml-common.h; QK_K is 256. Numbers that are
// missing were taken out of the format again.
func ggufTypes() map[GGUF]ggufType {
	return map[GGUF]ggufType{
		0: {"f32", 1, 4}, 1: {"f16", 1, 2}, 30: {"bf16", 1, 2}, 28: {"f64", 1, 8},
		24: {"i8", 1, 1}, 25: {"i16", 1, 2}, 26: {"i32", 1, 4}, 27: {"i64", 1, 8},
		2: {"q4_0", 32, 2 + 16}, 3: {"q4_1", 32, 4 + 16}, 6: {"q5_0", 32, 2 + 4 + 16}, 7: {"q5_1", 32, 4 + 4 + 16},
		8: {"q8_0", 32, 2 + 32}, 9: {"q8_1", 32, 4 + 32},
		10: {"q2_k", 256, 16 + 64 + 4}, 11: {"q3_k", 256, 32 + 64 + 12 + 2}, 12: {"q4_k", 256, 4 + 12 + 128},
		13: {"q5_k", 256, 4 + 12 + 32 + 128}, 14: {"q6_k", 256, 128 + 64 + 16 + 2}, 15: {"q8_k", 256, 4 + 256 + 32},
		16: {"iq2_xxs", 256, 2 + 64}, 17: {"iq2_xs", 256, 2 + 64 + 8}, 18: {"iq3_xxs", 256, 2 + 96},
		19: {"iq1_s", 256, 2 + 32 + 16}, 20: {"iq4_nl", 32, 2 + 16}, 21: {"iq3_s", 256, 2 + 64 + 8 + 32 + 4},
		22: {"iq2_s", 256, 2 + 64 + 16}, 23: {"iq4_xs", 256, 2 + 2 + 4 + 128}, 29: {"iq1_m", 256, 32 + 16 + 8},
		34: {"tq1_0", 256, 2 + 4 + 48}, 35: {"tq2_0", 256, 2 + 64},
		39: {"mxfp4_gguf", 32, 1 + 16}, 40: {"nvfp4_gguf", 64, 4 + 32},
	}
}

// Known reports whether the type's layout is known.
func (t GGUF) Known() bool {
	_, ok := ggufTypes()[t]
	return ok
}

// String is the type's name in lower case, "type 99" for an unknown one.
func (t GGUF) String() string {
	if g, ok := ggufTypes()[t]; ok {
		return g.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// BlockValues is how many values make a block; rows are whole blocks. 0 where unknown.
func (t GGUF) BlockValues() int { return int(ggufTypes()[t].values) }

// rowBytes is what a row of n values takes, filled up to a whole block.
func (t GGUF) rowBytes(n int64) int64 {
	g, ok := ggufTypes()[t]
	if !ok {
		return 0
	}
	return ceil.Div(n, g.values) * g.bytes
}

// dtype is the number format nearest to a block's values.
func (t GGUF) dtype() precision.DType {
	g := ggufTypes()[t]
	switch {
	case t == GGUFF32:
		return precision.FP32
	case t == GGUFF16:
		return precision.FP16
	case t == GGUFBF16:
		return precision.BF16
	case strings.HasSuffix(g.name, "fp4_gguf"):
		return precision.MXFP4
	case g.bytes*8 > 6*g.values:
		return precision.INT8
	}
	return precision.INT4
}

// ggufNamed finds a type by its name.
func ggufNamed(name string) (GGUF, bool) {
	for t, g := range ggufTypes() {
		if g.name == name {
			return t, true
		}
	}
	return 0, false
}
