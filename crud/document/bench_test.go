package document

import "testing"

const benchUser = `{"_id":"6a00000000000000000000aa","__STATE__":"PUBLIC","creatorId":"public","createdAt":"2030-01-01T00:00:00.000Z","updaterId":"public","updatedAt":"2030-01-01T00:00:00.000Z","userGroup":"staff","username":"ann","email":"ann@example.com","blocked":false,"roles":["editor","viewer"],"name":"Ann","age":30,"address":{"city":"Rome","geo":{"lat":41.9,"lng":12.5}}}`

func BenchmarkMatch(b *testing.B) {
	f, err := ParseFilter(object(b, `{"$or":[{"age":{"$gt":40}},{"address.city":{"$in":["Milan","Rome"]}}],"roles":"viewer","email":{"$regex":"^ann@"}}`))
	if err != nil {
		b.Fatal(err)
	}
	doc := object(b, benchUser)
	b.ReportAllocs()
	for b.Loop() {
		if !f.Match(doc) {
			b.Fatal("no match")
		}
	}
}

func BenchmarkApply(b *testing.B) {
	u, err := ParseUpdate(object(b, `{"$set":{"address.city":"Milan","name":"Anna"},"$inc":{"age":1},"$addToSet":{"roles":"admin"}}`))
	if err != nil {
		b.Fatal(err)
	}
	doc := object(b, benchUser)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Apply(doc, noon); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchUser)))
	for b.Loop() {
		if _, err := Parse(benchUser); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	doc := object(b, benchUser)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], doc)
	}
}
