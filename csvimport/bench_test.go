package csvimport_test

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
	"testing"

	"user-manager/csvimport"
)

const benchRows = 10_000

func benchFile() string {
	var b strings.Builder
	b.WriteString("name,email,age,active,born,tags,address.city,address.zip\n")
	for i := range benchRows {
		fmt.Fprintf(&b, "User %d,user%d@example.com,%d,true,1990-01-31,\"[a, b, c]\",Rome,%05d\n", i, i, 18+i%60, 10000+i)
	}
	return b.String()
}

const benchSchema = `{"type":"object","properties":{
	"name":{"type":"string"},"email":{"type":"string","format":"email"},"age":{"type":"integer"},
	"active":{"type":"boolean"},"born":{"type":"string","format":"date"},
	"tags":{"type":"array","items":{"type":"string"}},
	"address":{"type":"object","properties":{"city":{"type":"string"},"zip":{"type":"string"}}}}}`

func BenchmarkRead(b *testing.B) {
	benchmarkRows(b, func(csvimport.Row) error { return nil })
}

func BenchmarkDocument(b *testing.B) {
	schema := parse(b, benchSchema)
	benchmarkRows(b, func(row csvimport.Row) error {
		_, err := row.Document(schema)
		return err
	})
}

func benchmarkRows(b *testing.B, do func(csvimport.Row) error) {
	file := benchFile()
	b.SetBytes(int64(len(file) / benchRows))
	b.ReportAllocs()
	for n := 0; n < b.N; {
		r, err := csvimport.NewReader(strings.NewReader(file), csvimport.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for ; n < b.N; n++ {
			row, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				b.Fatal(err)
			}
			if err := do(row); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkEncodingCSV is what BenchmarkRead is measured by.
func BenchmarkEncodingCSV(b *testing.B) {
	file := benchFile()
	b.SetBytes(int64(len(file) / benchRows))
	b.ReportAllocs()
	for n := 0; n < b.N; {
		r := csv.NewReader(strings.NewReader(file))
		for ; n < b.N; n++ {
			if _, err := r.Read(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}
