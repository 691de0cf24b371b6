package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;
import static dev.causal4j.format.Json.describe;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Reads the header of a safetensors file and checks it as far as possible without the file's size.
 *
 * @param data what follows the header
 */
record Header(String subject, MemorySegment data) {
    static final String METADATA = "__metadata__";

    private static final Set<String> FIELDS = Set.of("dtype", "shape", "data_offsets");

    // The limit of PyTorch and NumPy; otherwise a list of a hundred million ones would be valid.
    private static final int MAX_DIMENSIONS = 64;

    // Five times the largest checkpoints.
    static final int MAX_ENTRIES = 500_000;

    TensorStore read(byte[] json) throws FormatException {
        Map<String, Object> root = Json.tree(subject, json);
        Map<String, String> metadata = new LinkedHashMap<>();
        for (Map.Entry<?, ?> string :
                object(METADATA, root.getOrDefault(METADATA, Map.of())).entrySet()) {
            String key = encodable((String) string.getKey());
            if (!(string.getValue() instanceof String text)) {
                throw wrong(METADATA + " key " + quote(key), "a string", describe(string.getValue()));
            }
            metadata.put(key, encodable(text));
        }
        Map<String, Stored> tensors = new LinkedHashMap<>();
        for (Map.Entry<?, ?> tensor : object("tensors", root).entrySet()) {
            String name = encodable((String) tensor.getKey());
            if (!name.equals(METADATA)) {
                tensors.put(name, entry("tensor " + quote(name), tensor.getValue()));
            }
        }
        return new TensorStore(subject, contiguous(tensors), Collections.unmodifiableMap(metadata));
    }

    private Map<?, ?> object(String place, @Nullable Object value) throws FormatException {
        if (!(value instanceof Map<?, ?> object)) {
            throw wrong(place, "an object", describe(value));
        }
        if (object.size() > MAX_ENTRIES) {
            throw wrong(place, "at most " + MAX_ENTRIES + " entries", "more");
        }
        return object;
    }

    private Stored entry(String tensor, @Nullable Object value) throws FormatException {
        Map<?, ?> fields = object(tensor, value);
        if (!fields.keySet().equals(FIELDS)) {
            throw wrong(
                    tensor,
                    "dtype, shape and data_offsets",
                    quote(fields.keySet().toString()));
        }
        StoredType type = new StoredType(String.valueOf(fields.get("dtype")));
        if (type.bits() == 0) {
            throw wrong(tensor + " dtype", "a dtype of the safetensors format", describe(fields.get("dtype")));
        }
        List<Long> shape = naturals(tensor + " shape", fields.get("shape"));
        List<Long> offsets = naturals(tensor + " data_offsets", fields.get("data_offsets"));
        if (offsets.size() != 2) {
            throw wrong(tensor + " data_offsets", "2 numbers", offsets.size() + " of them");
        }
        long size = offsets.get(1) - offsets.get(0);
        String typeAndShape = type.name() + shape;
        try {
            // Multiplied in order, as TensorView does: what overflows there must be refused here.
            long bytes = type.bytes(shape.stream().reduce(1L, Math::multiplyExact));
            if (size != bytes) {
                throw wrong(tensor, bytes + " bytes for " + typeAndShape, size + " bytes");
            }
        } catch (ArithmeticException e) {
            throw wrong(tensor, "a size in whole bytes below 2^63", typeAndShape);
        }
        return new Stored(subject, type, shape, data, offsets.get(0), offsets.get(1));
    }

    private List<Long> naturals(String place, @Nullable Object value) throws FormatException {
        if (!(value instanceof List<?> list) || list.size() > MAX_DIMENSIONS) {
            throw wrong(place, "a list of at most " + MAX_DIMENSIONS + " numbers", describe(value));
        }
        List<Long> numbers = new ArrayList<>(list.size());
        for (Object each : list) {
            // The parser makes an Integer or else a Long of whatever fits one.
            if (!(each instanceof Integer || each instanceof Long) || ((Number) each).longValue() < 0) {
                throw wrong(place, "integers from 0 to 2^63 - 1", describe(each));
            }
            numbers.add(((Number) each).longValue());
        }
        return List.copyOf(numbers);
    }

    /** The tensors in the order of their data, which they cover from 0 without hole or overlap. */
    private Map<String, Stored> contiguous(Map<String, Stored> tensors) throws FormatException {
        List<Map.Entry<String, Stored>> sorted = new ArrayList<>(tensors.entrySet());
        sorted.sort(Map.Entry.comparingByValue(
                Comparator.comparingLong(Stored::begin).thenComparingLong(Stored::end)));
        Map<String, Stored> ordered = LinkedHashMap.newLinkedHashMap(sorted.size());
        long position = 0;
        for (Map.Entry<String, Stored> tensor : sorted) {
            long begin = tensor.getValue().begin();
            if (begin != position) {
                throw wrong(
                        "tensor " + quote(tensor.getKey()),
                        "data from offset " + position + " on",
                        "offset " + begin + (begin > position ? ", a hole" : ", an overlap"));
            }
            position = tensor.getValue().end();
            ordered.put(tensor.getKey(), tensor.getValue());
        }
        return Collections.unmodifiableMap(ordered);
    }

    /** JSON can spell half of a surrogate pair, UTF-8 cannot: such a name could not be written back. */
    private String encodable(String text) throws FormatException {
        if (!UntrustedInput.isUnicode(text)) {
            throw wrong("string " + quote(text), "Unicode text", "half of a surrogate pair");
        }
        return text;
    }

    private FormatException wrong(String place, String expected, String got) {
        return new FormatException(subject + ", " + place, expected, got, "the file is damaged");
    }
}
