// Package formats says how a checkpoint stores a matrix and how many bytes that takes,
// to the byte: the values, and beside them the scales, zero points and tables that a
// quantiser writes.
//
// Units: bytes; a matrix is [out, in] in PyTorch's order, so that a row of in values
// makes one output. Sources stand at each constructor. What a number format alone
// takes, without a matrix around it, is package precision.
package formats

import (
	"github.com/OWNER/ridgeline/internal/ceil"
	"github.com/OWNER/ridgeline/precision"
)

// Format is how the values of a matrix are stored. The zero value is "not said".
// Formats are comparable: equal formats are ==.
//
// Bytes of a matrix [out, in] with blocks of [bo, bi] values (0: the whole dimension):
//
//	values   out · ⌈in·bits⌉, rows filled up to whole bytes or 32-bit words
//	blocks   ⌈out/bo⌉·⌈in/bi⌉ · (scale + offset)
//	matrix   extra, once
//	columns  in · index
type Format struct {
	plain precision.DType // numbers stored as they are; everything below is zero
	gguf  GGUF            // a GGUF block type; everything below is zero

	elem     element
	bits     uint8
	blockOut int32 // rows that share a scale; 0: all of them
	blockIn  int32 // values of a row that share a scale; 0: all of them
	scale    uint8 // bits of a block's scale
	offset   uint8 // bits of a block's zero point or bias
	extra    uint8 // bytes stored once for the matrix
	index    uint8 // bytes stored for each input (GPTQ's g_idx)
	packing  packing
	double   bool // bitsandbytes: the scales are quantised too
}

// element is what the stored bits mean.
type element uint8

const (
	noElement element = iota
	integer           // evenly spaced levels
	float             // fp8 e4m3 or fp4 e2m1
	table             // bitsandbytes: 16 levels from a table (nf4, fp4)
)

// packing is how values narrower than a byte are laid together.
type packing uint8

const (
	byBytes     packing = iota // rows filled up to whole bytes
	byWords                    // bits run on through 32-bit words, rows filled up to a word
	wholeValues                // ⌊32/bits⌋ values in each 32-bit word
	flat                       // the matrix is one run of values; blocks cross rows
)

// Plain is a matrix of ordinary numbers.
func Plain(d precision.DType) Format { return Format{plain: d} }

// Of is what is usually meant by a number format: fp8 with one scale for the matrix, int8
// with one for each output, int4 with one for each 128 values.
func Of(d precision.DType) Format {
	switch d {
	case precision.FP8:
		return FP8(0, 0, 32)
	case precision.INT8:
		return Int(8, 0)
	case precision.INT4:
		return Int(4, 128)
	case precision.MXFP4, precision.FP4:
		return MXFP4()
	case precision.NVFP4:
		return NVFP4()
	}
	return Plain(d)
}

// FP8 is 8-bit floating point with one scale of scaleBits for each block of [out, in]
// values, 0 standing for the whole dimension: FP8(0, 0, 32) has one for the matrix,
// FP8(1, 0, 16) one for each output, FP8(128, 128, 32) is DeepSeek-V3's
// (arXiv:2412.19437, §3.3).
func FP8(blockOut, blockIn, scaleBits int) Format {
	return Format{elem: float, bits: 8, blockOut: int32(blockOut), blockIn: int32(blockIn), scale: uint8(scaleBits)}
}

// Int is integers of 1 to 8 bits with a 16-bit scale for each group of values along a
// row; group 0 is one scale for each output. This is llm-compressor's symmetric layout
// without its own bookkeeping.
func Int(bits, group int) Format {
	return Format{elem: integer, bits: uint8(bits), blockOut: 1, blockIn: int32(group), scale: 16, packing: byBytes}
}

// GPTQ is the layout of AutoGPTQ and GPTQModel: 32-bit words along the input, for each
// group and output a 16-bit scale and a zero point as wide as a value (stored for
// symmetric quantisation too), and for each input the group it belongs to (4 bytes).
func GPTQ(bits, group int) Format {
	f := AWQ(bits, group)
	f.index = 4
	return f
}

// AWQ is AutoAWQ's layout: as GPTQ, without the groups' index (arXiv:2306.00978).
func AWQ(bits, group int) Format {
	return Format{elem: integer, bits: uint8(bits), blockOut: 1, blockIn: int32(group), scale: 16, offset: uint8(bits), packing: byWords}
}

// Packed is compressed-tensors' pack-quantized layout: ⌊32/bits⌋ values in each 32-bit
// word, a 16-bit scale for each group (of blockOut rows; 0: all), a zero point where it
// is asymmetric, the shape as two 64-bit numbers, and with activation ordering the
// group of each input.
func Packed(bits, blockOut, blockIn int, asymmetric, ordered bool) Format {
	f := Format{elem: integer, bits: uint8(bits), blockOut: int32(blockOut), blockIn: int32(blockIn), scale: 16, extra: 16, packing: wholeValues}
	if asymmetric {
		f.offset = uint8(bits)
	}
	if ordered {
		f.index = 4
	}
	return f
}

// Bytewise is compressed-tensors' int-quantized layout: a byte for each value whatever
// its width, a 16-bit scale for each block, and a byte of zero point where it is
// asymmetric.
func Bytewise(blockOut, blockIn int, asymmetric bool) Format {
	f := Format{elem: integer, bits: 8, blockOut: int32(blockOut), blockIn: int32(blockIn), scale: 16}
	if asymmetric {
		f.offset = 8
	}
	return f
}

// BNB8 is bitsandbytes' LLM.int8: bytes, and for each output the largest weight in
// fp32 (arXiv:2208.07339). Outlier columns are found while running, none is stored.
func BNB8() Format {
	return Format{elem: integer, bits: 8, blockOut: 1, scale: 32}
}

// BNB4 is bitsandbytes' nf4 or fp4: blocks of 64 values with an fp32 scale, the table
// of the 16 levels, and with double quantisation 8-bit scales in blocks of 256 that
// have an fp32 scale and a table of 256 (arXiv:2305.14314, §3).
func BNB4(double bool) Format {
	return Format{elem: table, bits: 4, blockIn: 64, scale: 32, packing: flat, double: double}
}

// NVFP4 is 4-bit floating point (e2m1) with an fp8 scale for each 16 values of a row
// and an fp32 scale for the matrix; checkpoints keep another fp32 scale for its input.
func NVFP4() Format {
	return Format{elem: float, bits: 4, blockOut: 1, blockIn: 16, scale: 8, extra: 8}
}

// MXFP4 and MXFP8 are the OCP microscaling formats (v1.0, table 1): a power of two in 8
// bits for each 32 values of a row.
func MXFP4() Format { return Format{elem: float, bits: 4, blockOut: 1, blockIn: 32, scale: 8} }

// MXFP8 has 8-bit values; see MXFP4.
func MXFP8() Format { return Format{elem: float, bits: 8, blockOut: 1, blockIn: 32, scale: 8} }

// MLX is Apple's affine layout: 32-bit words, for each group of a row a scale and a
// bias of 16 bits.
func MLX(bits, group int) Format {
	return Format{elem: integer, bits: uint8(bits), blockOut: 1, blockIn: int32(group), scale: 16, offset: 16, packing: byWords}
}

// Ternary is BitNet's layout: the values −1, 0 and 1 in two bits, four to a byte, and one 16-bit
// scale for the matrix.
func Ternary() Format { return Format{elem: integer, bits: 2, scale: 16} }

// InGGUF is a block type of GGUF files.
func InGGUF(t GGUF) Format {
	switch t {
	case GGUFF32:
		return Plain(precision.FP32)
	case GGUFF16:
		return Plain(precision.FP16)
	case GGUFBF16:
		return Plain(precision.BF16)
	}
	return Format{gguf: t}
}

// WithExtra adds bytes that are stored once for the matrix, such as the scale of its
// input.
func (f Format) WithExtra(bytes int) Format {
	f.extra += uint8(bytes)
	return f
}

// WithIndex adds bytes that are stored for each input, such as AWQ's scale of it.
func (f Format) WithIndex(bytes int) Format {
	f.index += uint8(bytes)
	return f
}

// Said reports whether the format is known.
func (f Format) Said() bool { return f != Format{} }

// Quantised reports whether the values are stored in fewer bits than 16, or in blocks.
func (f Format) Quantised() bool { return f.Said() && f.plain == precision.Unset }

// Bytes is what a matrix [out, in] takes. A vector of n is [1, n].
func (f Format) Bytes(out, in int) int64 {
	if out <= 0 || in <= 0 {
		return 0
	}
	o, i := int64(out), int64(in)
	switch {
	case f.plain != precision.Unset:
		return o * i * int64(f.plain.Bytes()) // plain formats take whole bytes
	case f.gguf != GGUFF32:
		return o * f.gguf.rowBytes(i)
	case f.elem == noElement:
		return 0
	case f.packing == flat:
		return f.flatBytes(o * i)
	}
	bits := int64(f.bits)
	var row int64
	switch f.packing {
	case byWords:
		row = ceil.Div(i*bits, 32) * 4
	case wholeValues:
		row = ceil.Div(i, 32/bits) * 4
	default:
		row = ceil.Div(i*bits, 8)
	}
	blocksOut, blocksIn := blocks(o, f.blockOut), blocks(i, f.blockIn)
	n := o*row + blocksOut*blocksIn*int64(f.scale/8) + int64(f.extra) + i*int64(f.index)
	switch {
	case f.offset == 0:
	case f.packing == byBytes || f.offset >= 8:
		n += ceil.Div(blocksOut*blocksIn*int64(f.offset), 8)
	case f.packing == byWords:
		n += blocksIn * ceil.Div(blocksOut*int64(f.offset), 32) * 4
	default:
		n += blocksIn * ceil.Div(blocksOut, 32/int64(f.offset)) * 4
	}
	return n
}

// flatBytes is bitsandbytes' 4-bit layout of n values.
func (f Format) flatBytes(n int64) int64 {
	const levels, scaleBlock, scaleLevels = 16, 256, 256
	scales := ceil.Div(n, int64(f.blockIn))
	bytes := ceil.Div(n*int64(f.bits), 8) + 4*levels
	if f.double {
		return bytes + scales + 4*ceil.Div(scales, scaleBlock) + 4*scaleLevels
	}
	return bytes + 4*scales
}

// Equal reports whether two formats are the same, as == does.
func (f Format) Equal(o Format) bool { return f == o }

// PerValue is the bytes a value takes in a large matrix, rows of 4096: what a format
// costs where no shape is known.
func (f Format) PerValue() float64 {
	const side = 4096
	return float64(f.Bytes(side, side)) / (side * side)
}

// Group is how many values of a row share a scale, 0 where that is the whole row or
// nothing is shared.
func (f Format) Group() int { return int(f.blockIn) }

// DType is the number format nearest to the values: what a kernel that multiplies by
// them reads. Narrow integers are int4, 4-bit floats and tables mxfp4.
func (f Format) DType() precision.DType {
	switch {
	case f.plain != precision.Unset:
		return f.plain
	case f.gguf != GGUFF32:
		return f.gguf.dtype()
	}
	switch {
	case f.elem == float && f.bits == 8:
		return precision.FP8
	case f.elem == float, f.elem == table:
		return precision.MXFP4
	case f.elem == integer && f.bits > 4:
		return precision.INT8
	case f.elem == integer:
		return precision.INT4
	}
	return precision.Unset
}

func blocks(n int64, size int32) int64 {
	if size == 0 {
		return 1
	}
	return ceil.Div(n, int64(size))
}
