package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;
import static java.nio.ByteOrder.LITTLE_ENDIAN;

import dev.causal4j.FormatException;
import dev.causal4j.format.Gguf.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.RandomAccess;

/** Reads one GGUF file from its first byte on. Not thread-safe; used once. */
final class GgufFile {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(LITTLE_ENDIAN);

    private static final int MAGIC = 'G' | 'G' << 8 | 'U' << 16 | 'F' << 24;
    private static final String ALIGNMENT = "general.alignment";
    private static final int DEFAULT_ALIGNMENT = 32;

    // Limits of the format, the last two in bytes.
    private static final int MAX_DIMENSIONS = 4;
    private static final int MAX_KEY = 65_535;
    private static final int MAX_NAME = 64;

    // Arrays of arrays are legal and unused; a reader that nests must end.
    private static final int MAX_DEPTH = 16;

    // Types of values.
    private static final int U32 = 4;
    private static final int BOOL = 7;
    private static final int STRING = 8;
    private static final int ARRAY = 9;

    private final String subject;
    private final MemorySegment bytes;
    private final long limit;
    private long position;

    /** What is being read, in messages. */
    private String place = "header";

    GgufFile(String subject, MemorySegment bytes) {
        this.subject = subject;
        this.bytes = bytes;
        this.limit = Math.min(bytes.byteSize(), SafeTensors.MAX_HEADER);
    }

    private record Declared(String name, BlockType type, List<Long> shape, long size, long offset) {}

    Gguf read() throws FormatException {
        if (bytes.byteSize() < Integer.BYTES || int32() != MAGIC) {
            throw new FormatException(subject, "a file that begins with GGUF", "another", "is this a GGUF file?");
        }
        int version = int32();
        if (version != 2 && version != 3) {
            boolean bigEndian = (version & 0xffff) == 0 && version != 0;
            String got = bigEndian ? "a big-endian file" : "version " + Integer.toUnsignedString(version);
            throw new FormatException(subject, "GGUF of version 2 or 3, little-endian", got, "convert the model again");
        }
        long tensors = count("tensors");
        long keys = count("keys");
        Map<String, Object> values = new LinkedHashMap<>();
        for (long i = 0; i < keys; i++) {
            place = "key " + i;
            String key = name(MAX_KEY);
            place = "key " + quote(key);
            int type = int32();
            if (key.equals(ALIGNMENT) && type != U32) {
                throw wrong("a value of type u32", "type " + Integer.toUnsignedString(type));
            }
            if (values.put(key, value(type, 0)) != null) {
                throw wrong("each key once", "it twice");
            }
        }
        Json metadata = new Json(subject, Collections.unmodifiableMap(values));
        int alignment = metadata.integer(ALIGNMENT, DEFAULT_ALIGNMENT, 8, 1 << 30);
        metadata.check(ALIGNMENT, alignment % 8 == 0, "a multiple of 8");
        List<Declared> declared = new ArrayList<>();
        for (long i = 0; i < tensors; i++) {
            place = "tensor " + i;
            declared.add(declared());
        }
        return new Gguf(metadata, tensors(declared, alignment));
    }

    private long count(String what) throws FormatException {
        long count = int64();
        if (count < 0 || count > Header.MAX_ENTRIES) {
            throw wrong("at most " + Header.MAX_ENTRIES + " " + what, Long.toUnsignedString(count));
        }
        return count;
    }

    private Declared declared() throws FormatException {
        String name = name(MAX_NAME);
        place = "tensor " + quote(name);
        int dimensions = int32();
        if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
            throw wrong("1 to 4 dimensions", Integer.toUnsignedString(dimensions));
        }
        Long[] shape = new Long[dimensions];
        for (int d = dimensions - 1; d >= 0; d--) {
            shape[d] = int64();
        }
        BlockType type = BlockType.of(subject + ", " + place, int32());
        long row = shape[dimensions - 1];
        if (Arrays.stream(shape).anyMatch(each -> each < 1) || row % type.elements() != 0) {
            String rows = "rows of a multiple of " + type.elements() + " numbers of type " + type;
            throw wrong(rows + ", no dimension below 1", "shape " + Arrays.toString(shape));
        }
        try {
            long elements = Arrays.stream(shape).reduce(1L, Math::multiplyExact);
            long size = Math.multiplyExact(elements / type.elements(), (long) type.bytes());
            return new Declared(name, type, List.of(shape), size, int64());
        } catch (ArithmeticException e) {
            throw wrong("a size below 2^63 bytes", "shape " + Arrays.toString(shape));
        }
    }

    /** Places the tensors in the data, which begins at the next multiple of the alignment. */
    private Map<String, Tensor> tensors(List<Declared> declared, int alignment) throws FormatException {
        long start = Math.ceilDiv(position, alignment) * alignment;
        long room = bytes.byteSize() - start;
        Map<String, Tensor> tensors = LinkedHashMap.newLinkedHashMap(declared.size());
        for (Declared each : declared) {
            place = "tensor " + quote(each.name);
            if (each.offset % alignment != 0) {
                String got = Long.toUnsignedString(each.offset);
                throw wrong("an offset that is a multiple of " + alignment, got);
            }
            if (each.offset < 0 || each.offset > room || each.size > room - each.offset) {
                String bytesAt = each.size + " bytes at offset " + Long.toUnsignedString(each.offset);
                throw wrong(bytesAt, "a file with " + Math.max(0, room) + " bytes of data");
            }
            MemorySegment data = bytes.asSlice(start + each.offset, each.size).asReadOnly();
            if (tensors.put(each.name, new Tensor(each.name, each.type, each.shape, data)) != null) {
                throw wrong("each name once", "it twice");
            }
        }
        long end = 0;
        for (Declared each : declared.stream()
                .sorted(Comparator.comparingLong(Declared::offset))
                .toList()) {
            if (each.offset < end) {
                place = "tensor " + quote(each.name);
                throw wrong("bytes of its own", "offset " + each.offset + " inside another tensor");
            }
            end = each.offset + each.size;
        }
        return Collections.unmodifiableMap(tensors);
    }

    private Object value(int type, int depth) throws FormatException {
        int width = width(type);
        return switch (type) {
            case STRING -> string(SafeTensors.MAX_HEADER);
            case ARRAY -> array(depth);
            default -> {
                Object value = scalar(type, bytes, take(width));
                if (type == BOOL && !(value instanceof Boolean)) {
                    throw wrong("a boolean of 0 or 1", value.toString());
                }
                yield value;
            }
        };
    }

    private List<?> array(int depth) throws FormatException {
        int type = int32();
        long count = int64();
        int width = width(type);
        if (depth == MAX_DEPTH || count < 0 || count > (limit - position) / width) {
            String got = Long.toUnsignedString(count) + " at level " + depth;
            throw wrong("an array no longer than the file, nested at most " + MAX_DEPTH + " times", got);
        }
        if (type != BOOL && type != STRING && type != ARRAY) {
            long size = count * width;
            byte[] copy = bytes.asSlice(take(size), size).toArray(ValueLayout.JAVA_BYTE);
            return new Numbers(MemorySegment.ofArray(copy), type, width);
        }
        List<Object> list = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            list.add(value(type, depth + 1));
        }
        return List.copyOf(list);
    }

    /** Numbers as they are in the file: a hundred thousand objects would take five times the memory. */
    private static final class Numbers extends AbstractList<Object> implements RandomAccess {
        private final MemorySegment data;
        private final int type;
        private final int width;

        Numbers(MemorySegment data, int type, int width) {
            this.data = data;
            this.type = type;
            this.width = width;
        }

        @Override
        public Object get(int i) {
            return scalar(type, data, (long) Objects.checkIndex(i, size()) * width);
        }

        @Override
        public int size() {
            return (int) (data.byteSize() / width);
        }
    }

    /** Bytes of a value, or the fewest if it has a length. */
    private int width(int type) throws FormatException {
        return switch (type) {
            case 0, 1, BOOL -> 1;
            case 2, 3 -> 2;
            case U32, 5, 6 -> 4;
            case STRING, 10, 11, 12 -> 8;
            case ARRAY -> 12;
            default -> throw wrong("a value of a type from 0 to 12", "type " + Integer.toUnsignedString(type));
        };
    }

    private static Object scalar(int type, MemorySegment data, long at) {
        return switch (type) {
            case 0 -> Byte.toUnsignedInt(data.get(ValueLayout.JAVA_BYTE, at));
            case 1 -> (int) data.get(ValueLayout.JAVA_BYTE, at);
            case 2 -> Short.toUnsignedInt(data.get(SHORT, at));
            case 3 -> (int) data.get(SHORT, at);
            case U32 -> integer(Integer.toUnsignedLong(data.get(INT, at)));
            case 5 -> data.get(INT, at);
            case 6 -> (double) Float.intBitsToFloat(data.get(INT, at));
            case BOOL -> {
                byte flag = data.get(ValueLayout.JAVA_BYTE, at);
                yield flag == 0 || flag == 1 ? (Object) (flag == 1) : (Object) flag;
            }
            case 10 -> {
                long number = data.get(LONG, at);
                yield number >= 0 ? integer(number) : new BigInteger(Long.toUnsignedString(number));
            }
            case 11 -> integer(data.get(LONG, at));
            default -> Double.longBitsToDouble(data.get(LONG, at));
        };
    }

    /** An Integer of whatever fits one, as the reader of JSON does. */
    private static Object integer(long number) {
        return number == (int) number ? (Object) (int) number : (Object) number;
    }

    private String name(int most) throws FormatException {
        String name = string(most);
        if (name.isEmpty()) {
            throw wrong("a name", "none");
        }
        return name;
    }

    private String string(int most) throws FormatException {
        long length = int64();
        if (length < 0 || length > most) {
            throw wrong("a string of at most " + most + " bytes", Long.toUnsignedString(length));
        }
        long from = take(length);
        byte[] utf8 = new byte[(int) length];
        MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, from, utf8, 0, utf8.length);
        String text = new String(utf8, StandardCharsets.UTF_8);
        boolean damaged = text.indexOf('\ufffd') >= 0 && !Arrays.equals(text.getBytes(StandardCharsets.UTF_8), utf8);
        if (damaged || text.indexOf('\0') >= 0) {
            throw wrong("text in UTF-8 without NUL", quote(text));
        }
        return text;
    }

    private int int32() throws FormatException {
        return bytes.get(INT, take(Integer.BYTES));
    }

    private long int64() throws FormatException {
        return bytes.get(LONG, take(Long.BYTES));
    }

    /** Moves on and returns the place before. */
    private long take(long count) throws FormatException {
        if (count > limit - position) {
            String end = limit < bytes.byteSize() ? "the end of the longest header" : "the end of the file";
            throw wrong(count + " bytes at " + position, end + " at " + limit);
        }
        position += count;
        return position - count;
    }

    private FormatException wrong(String expected, String got) {
        return new FormatException(subject + ", " + place, expected, got, "the file is damaged");
    }
}
