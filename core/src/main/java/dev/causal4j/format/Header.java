package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;

/**
 * The header of a safetensors file, checked as far as possible without the file's size.
 *
 * @param tensors by name, in the order of their data, which they cover from 0 without hole or overlap
 */
record Header(Map<String, Entry> tensors, Map<String, String> metadata) {
    static final String METADATA = "__metadata__";

    // The limit of PyTorch and NumPy; otherwise a list of a hundred million ones would be valid.
    private static final int MAX_DIMENSIONS = 64;

    // Five times the largest checkpoints; without a limit a header could fill the memory.
    static final int MAX_ENTRIES = 500_000;

    /** Where a tensor lies: bytes {@code [begin, end)} of the data. */
    record Entry(StoredType type, List<Long> shape, long begin, long end) {}

    /** Bytes of data the tensors cover. */
    long dataBytes() {
        return tensors.values().stream().mapToLong(Entry::end).max().orElse(0);
    }

    static Header parse(String subject, byte[] json) throws FormatException {
        return UntrustedInput.readObject(subject, json, parser -> new Reading(subject, parser).header());
    }

    private record Reading(String subject, JsonParser json) {
        Header header() throws FormatException {
            Map<String, Entry> tensors = new LinkedHashMap<>();
            Map<String, String> metadata = Map.of();
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String name = encodable(json.currentName());
                json.nextToken();
                if (name.equals(METADATA)) {
                    metadata = metadata();
                } else {
                    tensors.put(name, entry(name));
                    requireFew(tensors.size(), "tensors");
                }
            }
            return new Header(contiguous(tensors), metadata);
        }

        private Map<String, String> metadata() throws FormatException {
            expect(JsonToken.START_OBJECT, METADATA, "an object");
            Map<String, String> metadata = new LinkedHashMap<>();
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String key = encodable(json.currentName());
                json.nextToken();
                expect(JsonToken.VALUE_STRING, METADATA + " key " + quote(key), "a string");
                metadata.put(key, encodable(json.getString()));
                requireFew(metadata.size(), METADATA);
            }
            return Collections.unmodifiableMap(metadata);
        }

        private Entry entry(String name) throws FormatException {
            String tensor = "tensor " + quote(name);
            expect(JsonToken.START_OBJECT, tensor, "an object");
            StoredType type = null;
            List<Long> shape = null;
            List<Long> offsets = null;
            while (json.nextToken() != JsonToken.END_OBJECT) {
                String field = json.currentName();
                json.nextToken();
                switch (field) {
                    case "dtype" -> type = type(tensor);
                    case "shape" -> shape = naturals(tensor + " shape");
                    case "data_offsets" -> offsets = naturals(tensor + " data_offsets");
                    default -> throw wrong(tensor, "dtype, shape and data_offsets", "a field " + quote(field));
                }
            }
            if (type == null || shape == null || offsets == null) {
                throw wrong(tensor, "dtype, shape and data_offsets", "only some of them");
            }
            if (offsets.size() != 2) {
                throw wrong(tensor + " data_offsets", "2 numbers", offsets.size() + " of them");
            }
            Entry entry = new Entry(type, shape, offsets.get(0), offsets.get(1));
            requireSize(tensor, entry);
            return entry;
        }

        private StoredType type(String tensor) throws FormatException {
            expect(JsonToken.VALUE_STRING, tensor + " dtype", "a string");
            String name = json.getString();
            return StoredType.named(name)
                    .orElseThrow(() -> wrong(tensor + " dtype", "a dtype of the safetensors format", quote(name)));
        }

        private List<Long> naturals(String place) throws FormatException {
            expect(JsonToken.START_ARRAY, place, "a list");
            List<Long> numbers = new ArrayList<>(4);
            while (json.nextToken() != JsonToken.END_ARRAY) {
                expect(JsonToken.VALUE_NUMBER_INT, place, "integers");
                long number = json.getLongValue();
                if (number < 0) {
                    throw wrong(place, "no negative number", Long.toString(number));
                }
                if (numbers.size() == MAX_DIMENSIONS) {
                    throw wrong(place, "at most " + MAX_DIMENSIONS + " numbers", "more");
                }
                numbers.add(number);
            }
            return List.copyOf(numbers);
        }

        private void requireSize(String tensor, Entry entry) throws FormatException {
            String got = entry.end - entry.begin + " bytes";
            try {
                // Multiplied in order, as TensorView does: what overflows there must be refused here.
                long numbers = entry.shape.stream().reduce(1L, Math::multiplyExact);
                long bytes = entry.type.bytes(numbers);
                if (entry.end - entry.begin != bytes) {
                    throw wrong(tensor, bytes + " bytes for " + entry.type + entry.shape, got);
                }
            } catch (ArithmeticException e) {
                throw wrong(tensor, "a size in whole bytes below 2^63", entry.type.toString() + entry.shape);
            }
        }

        private Map<String, Entry> contiguous(Map<String, Entry> tensors) throws FormatException {
            List<Map.Entry<String, Entry>> sorted = new ArrayList<>(tensors.entrySet());
            sorted.sort(Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin)
                    .thenComparingLong(e -> e.getValue().end));
            Map<String, Entry> ordered = LinkedHashMap.newLinkedHashMap(sorted.size());
            long position = 0;
            for (Map.Entry<String, Entry> tensor : sorted) {
                Entry entry = tensor.getValue();
                if (entry.begin != position) {
                    throw wrong(
                            "tensor " + quote(tensor.getKey()),
                            "data from offset " + position + " on",
                            "offset " + entry.begin + (entry.begin > position ? ", a hole" : ", an overlap"));
                }
                position = entry.end;
                ordered.put(tensor.getKey(), entry);
            }
            return Collections.unmodifiableMap(ordered);
        }

        private void requireFew(int entries, String place) throws FormatException {
            if (entries > MAX_ENTRIES) {
                throw wrong(place, "at most " + MAX_ENTRIES + " entries", "more");
            }
        }

        /** JSON can spell half of a surrogate pair, UTF-8 cannot: such a name could not be written back. */
        private String encodable(String text) throws FormatException {
            if (!UntrustedInput.isUnicode(text)) {
                throw wrong("string " + quote(text), "Unicode text", "half of a surrogate pair");
            }
            return text;
        }

        private void expect(JsonToken token, String place, String what) throws FormatException {
            if (json.currentToken() != token) {
                String got = json.currentToken() == null ? "nothing" : quote(json.getString());
                throw wrong(place, what, got);
            }
        }

        private FormatException wrong(String place, String expected, String got) {
            return new FormatException(subject + ", " + place, expected, got, "the file is damaged");
        }
    }
}
