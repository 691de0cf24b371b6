package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;
import static dev.causal4j.json.Json.describe;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.json.Json;
import dev.causal4j.json.Unicode;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads the header of a safetensors file and checks the whole file. */
record Header(String subject, MemorySegment bytes) {
    static final String METADATA = "__metadata__";

    private static final ValueLayout.OfLong LENGTH = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final Set<String> FIELDS = Set.of("dtype", "shape", "data_offsets");

    // The limit of PyTorch and NumPy; otherwise a list of a hundred million ones would be valid.
    private static final int MAX_DIMENSIONS = 64;

    // Five times the largest checkpoints.
    static final int MAX_ENTRIES = 500_000;

    /** A tensor's bytes {@code [begin, end)} of the data. */
    private record Declared(String name, String type, List<Long> shape, long begin, long end) {}

    TensorStore read() throws FormatException {
        Map<String, Object> root = Json.tree(subject, json());
        Map<String, String> metadata = new LinkedHashMap<>();
        for (Map.Entry<?, ?> string :
                object(METADATA, root.getOrDefault(METADATA, Map.of())).entrySet()) {
            String key = encodable((String) string.getKey());
            if (!(string.getValue() instanceof String text)) {
                throw wrong(METADATA + " key " + quote(key), "a string", describe(string.getValue()));
            }
            metadata.put(key, encodable(text));
        }
        List<Declared> tensors = new ArrayList<>();
        for (Map.Entry<?, ?> tensor : object("tensors", root).entrySet()) {
            String name = encodable((String) tensor.getKey());
            if (!name.equals(METADATA)) {
                tensors.add(declared(name, tensor.getValue()));
            }
        }
        return TensorStore.of(subject, placed(tensors), metadata, bytes);
    }

    private byte[] json() throws FormatException {
        long size = bytes.byteSize();
        if (size < Long.BYTES) {
            throw damaged("8 bytes with the length of the header", size + " bytes");
        }
        long length = bytes.get(LENGTH, 0);
        if (length < 0 || length > SafeTensors.MAX_HEADER) {
            String got = Long.toUnsignedString(length) + " bytes";
            throw damaged("a header of at most " + SafeTensors.MAX_HEADER + " bytes", got);
        }
        if (Long.BYTES + length > size) {
            throw damaged("a header of " + length + " bytes", "a whole file of " + size + " bytes");
        }
        byte[] json = bytes.asSlice(Long.BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        if (json.length == 0 || json[0] != '{') {
            throw damaged("a header that starts with {", json.length == 0 ? "none" : "byte " + (json[0] & 255));
        }
        return json;
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

    private Declared declared(String name, @Nullable Object value) throws FormatException {
        String tensor = "tensor " + quote(name);
        Map<?, ?> fields = object(tensor, value);
        if (!fields.keySet().equals(FIELDS)) {
            String got = quote(fields.keySet().toString());
            throw wrong(tensor, "dtype, shape and data_offsets", got);
        }
        String type = String.valueOf(fields.get("dtype"));
        int bits = bits(type);
        if (bits == 0) {
            throw wrong(tensor + " dtype", "a dtype of the safetensors format", describe(fields.get("dtype")));
        }
        List<Long> shape = naturals(tensor + " shape", fields.get("shape"));
        List<Long> offsets = naturals(tensor + " data_offsets", fields.get("data_offsets"));
        if (offsets.size() != 2) {
            throw wrong(tensor + " data_offsets", "2 numbers", offsets.size() + " of them");
        }
        long size = offsets.get(1) - offsets.get(0);
        long whole = bytes(bits, shape);
        if (whole < 0) {
            throw wrong(tensor, "a size in whole bytes below 2^63", type + shape);
        }
        if (size != whole) {
            throw wrong(tensor, whole + " bytes for " + type + shape, size + " bytes");
        }
        return new Declared(name, type, shape, offsets.get(0), offsets.get(1));
    }

    /** Negative if the size overflows or is not a whole number. */
    private static long bytes(int bits, List<Long> shape) {
        try {
            // Multiplied in the order of TensorView, so that a product that overflows there is refused here.
            long numbers = shape.stream().reduce(1L, Math::multiplyExact);
            long rest = numbers % 8 * bits;
            return rest % 8 == 0 ? Math.addExact(Math.multiplyExact(numbers / 8, (long) bits), rest / 8) : -1;
        } catch (ArithmeticException e) {
            return -1;
        }
    }

    /** Bits of a number of a dtype; 0 if the format (0.8) has no such dtype. */
    private static int bits(String dtype) {
        return switch (dtype) {
            case "F4" -> 4;
            case "F6_E2M3", "F6_E3M2" -> 6;
            case "BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ" -> 8;
            case "I16", "U16", "F16", "BF16" -> 16;
            case "I32", "U32", "F32" -> 32;
            case "C64", "F64", "I64", "U64" -> 64;
            default -> 0;
        };
    }

    private List<Long> naturals(String place, @Nullable Object value) throws FormatException {
        if (!(value instanceof List<?> list) || list.size() > MAX_DIMENSIONS) {
            throw wrong(place, "a list of at most " + MAX_DIMENSIONS + " numbers", describe(value));
        }
        List<Long> numbers = new ArrayList<>(list.size());
        for (Object each : list) {
            // The parser makes an Integer of a number that fits one, else a Long.
            if (!(each instanceof Integer || each instanceof Long) || ((Number) each).longValue() < 0) {
                throw wrong(place, "integers from 0 to 2^63 - 1", describe(each));
            }
            numbers.add(((Number) each).longValue());
        }
        return List.copyOf(numbers);
    }

    /**
     * The tensors in the order of their data, which they cover from 0 to the end of the file without hole or overlap.
     */
    private Map<String, Stored> placed(List<Declared> tensors) throws FormatException {
        tensors.sort(Comparator.comparingLong(Declared::begin).thenComparingLong(Declared::end));
        long position = 0;
        for (Declared each : tensors) {
            if (each.begin != position) {
                String got = "offset " + each.begin + (each.begin > position ? ", a hole" : ", an overlap");
                throw wrong("tensor " + quote(each.name), "data from offset " + position + " on", got);
            }
            position = each.end;
        }
        long start = Long.BYTES + bytes.get(LENGTH, 0);
        long expected = start + position;
        // A sum that overflows is negative and so differs from any file's size.
        if (expected != bytes.byteSize()) {
            long missing = expected - bytes.byteSize();
            boolean cut = Long.compareUnsigned(bytes.byteSize(), expected) < 0;
            String fault = cut ? ": cut short, " + Long.toUnsignedString(missing) + " bytes missing" : ": too long";
            String whole = Long.toUnsignedString(expected) + " bytes, as its header says";
            throw new FormatException(subject, whole, bytes.byteSize() + " bytes" + fault, "download it again");
        }
        Map<String, Stored> placed = LinkedHashMap.newLinkedHashMap(tensors.size());
        for (Declared each : tensors) {
            MemorySegment data =
                    bytes.asSlice(start + each.begin, each.end - each.begin).asReadOnly();
            placed.put(each.name, new Stored(subject, each.type, each.shape, data));
        }
        return Collections.unmodifiableMap(placed);
    }

    /** JSON can spell half of a surrogate pair, UTF-8 cannot: such a name could not be written back. */
    private String encodable(String text) throws FormatException {
        if (!Unicode.isWellFormed(text)) {
            throw wrong("string " + quote(text), "Unicode text", "half of a surrogate pair");
        }
        return text;
    }

    private FormatException wrong(String place, String expected, String got) {
        return new FormatException(subject + ", " + place, expected, got, "the file is damaged");
    }

    private FormatException damaged(String expected, String got) {
        return new FormatException(subject, expected, got, "the file is damaged or no safetensors file");
    }
}
