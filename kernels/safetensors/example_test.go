package safetensors_test

import (
	"encoding/binary"
	"fmt"

	"github.com/OWNER/ridgeline/kernels/safetensors"
)

func ExampleOpen() {
	header := `{"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}`
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	b = append(b, 0, 0, 128, 63, 0, 0, 0, 64) // 1 and 2
	f, err := safetensors.Open(b)
	if err != nil {
		panic(err)
	}
	w := f.Tensors["w"]
	fmt.Println(w.DType, w.Shape)
	// Output: F32 [2]
}
