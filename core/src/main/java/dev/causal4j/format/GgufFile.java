package dev.causal4j.format;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.json.Json;
import java.lang.foreign.MemorySegment;
import java.math.BigInteger;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
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
    static final int MAGIC = 'G' | 'G' << 8 | 'U' << 16 | 'F' << 24;
    private static final String ALIGNMENT = "general.alignment";

    /** The key of the tokens' kinds, which llama.cpp reads in 32 bits only. */
    private static final String KINDS = "key \"tokenizer.ggml.token_type\"";

    // Limits of the format, the last two in bytes.
    private static final int MAX_DIMENSIONS = 4;
    private static final int MAX_KEY = 65_535;
    private static final int MAX_NAME = 64;

    /** Below it no size in bytes overflows. */
    private static final long MAX_ELEMENTS = 1L << 60;

    /** A text of one byte takes nine of the file and 56 of the heap. Llama 4 has 0.7 million pieces and merges. */
    static final int MOST_TEXTS = 1 << 22;

    // Arrays of arrays are legal and unused; a reader that nests must end.
    private static final int MAX_DEPTH = 16;

    /** Where tensors begin unless the file says otherwise: multiples of it. */
    static final int USUAL_ALIGNMENT = 32;

    // Types of values.
    static final int U32 = 4;
    static final int I32 = 5;
    static final int F32 = 6;
    static final int BOOL = 7;
    static final int STRING = 8;
    static final int ARRAY = 9;
    private static final int LAST_TYPE = 12;

    /** Bytes of a number of each type. */
    private static final int[] SIZES = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

    private final String subject;
    private final MemorySegment bytes;
    private final ByteBuffer header; // and perhaps bytes after it

    private int texts; // read so far

    /** The part of the file that is being read, for messages. */
    private String place = "header";

    GgufFile(String subject, MemorySegment bytes) {
        this.subject = subject;
        this.bytes = bytes;
        this.header = bytes.asSlice(0, Math.min(bytes.byteSize(), SafeTensors.MAX_HEADER))
                .asByteBuffer()
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    private record Declared(String name, BlockType type, List<Long> shape, long size, long offset) {}

    Gguf read() throws FormatException {
        try {
            return model();
        } catch (BufferUnderflowException e) {
            String expected = "more bytes of a header of at most " + SafeTensors.MAX_HEADER;
            throw new FormatException(subject + ", " + place, expected, "its end: cut short", "download it again");
        }
    }

    private Gguf model() throws FormatException {
        if (header.remaining() < Integer.BYTES || header.getInt() != MAGIC) {
            throw new FormatException(subject, "a file that begins with GGUF", "another", "is this a GGUF file?");
        }
        int version = header.getInt();
        if (version != 2 && version != 3) {
            String got = Integer.reverseBytes(version) == 3
                    ? "a big-endian file"
                    : "version " + Integer.toUnsignedString(version);
            throw new FormatException(subject, "GGUF of version 2 or 3, little-endian", got, "convert the model again");
        }
        long tensors = within(header.getLong(), 0, Header.MAX_ENTRIES, "tensors");
        long keys = within(header.getLong(), 0, Header.MAX_ENTRIES, "keys");
        Map<String, Object> values = new LinkedHashMap<>();
        for (long i = 0; i < keys; i++) {
            place = "key " + i;
            String key = string(1, MAX_KEY);
            place = "key " + quote(key);
            Object value = key.equals(ALIGNMENT) ? value(type(U32, U32), 0) : value(type(0, LAST_TYPE), 0);
            if (values.put(key, value) != null) {
                throw wrong("each key once", "it twice");
            }
        }
        Json metadata = new Json(subject, Collections.unmodifiableMap(values));
        int alignment = metadata.integer(ALIGNMENT, USUAL_ALIGNMENT, 8, 1 << 30);
        metadata.check(ALIGNMENT, alignment % 8 == 0, "a multiple of 8");
        List<Declared> declared = new ArrayList<>();
        for (long i = 0; i < tensors; i++) {
            place = "tensor " + i;
            declared.add(declared());
        }
        return new Gguf(metadata, placed(declared, alignment));
    }

    private Declared declared() throws FormatException {
        String name = string(1, MAX_NAME);
        place = "tensor " + quote(name);
        int dimensions = (int) within(Integer.toUnsignedLong(header.getInt()), 1, MAX_DIMENSIONS, "dimensions");
        Long[] shape = new Long[dimensions];
        long elements = 1;
        for (int d = dimensions - 1; d >= 0; d--) {
            shape[d] = within(header.getLong(), 1, MAX_ELEMENTS / elements, "numbers in a dimension");
            elements *= shape[d];
        }
        BlockType type = BlockType.of(subject + ", " + place, header.getInt());
        long row = shape[dimensions - 1];
        if (row % type.elements() != 0) {
            throw wrong("rows of a multiple of " + type.elements() + " numbers of type " + type, "rows of " + row);
        }
        // Some writers give more dimensions, of 1.
        List<Long> several = Arrays.stream(shape).dropWhile(size -> size == 1).toList();
        List<Long> used = several.isEmpty() ? List.of(1L) : several;
        return new Declared(name, type, used, elements / type.elements() * type.bytes(), header.getLong());
    }

    /** Places the tensors in the data, which begins at the next multiple of the alignment. */
    private TensorStore placed(List<Declared> tensors, int alignment) throws FormatException {
        long start = Math.ceilDiv((long) header.position(), alignment) * alignment;
        long room = Math.max(0, bytes.byteSize() - start);
        Map<String, Stored> placed = LinkedHashMap.newLinkedHashMap(tensors.size());
        tensors.sort(Comparator.comparingLong(Declared::offset));
        long end = 0;
        for (Declared each : tensors) {
            place = "tensor " + quote(each.name);
            if (each.offset < end || each.offset % alignment != 0) {
                String data = " bytes of its own, aligned to " + alignment + ", from " + end + " to " + room;
                throw wrong(each.size + data, "offset " + Long.toUnsignedString(each.offset));
            }
            if (each.size > room - each.offset) {
                Declared last = tensors.getLast();
                String missing = Long.toUnsignedString(last.size - (room - last.offset));
                String got = "a file cut short, " + missing + " bytes missing";
                throw new FormatException(subject, "all its tensors", got, "download it again");
            }
            end = each.offset + each.size;
            MemorySegment data = bytes.asSlice(start + each.offset, each.size).asReadOnly();
            if (placed.put(each.name, new Stored(subject, each.type.name(), each.shape, data)) != null) {
                throw wrong("each name once", "it twice");
            }
        }
        return TensorStore.of(subject, placed, Map.of(), bytes);
    }

    private Object value(int type, int depth) throws FormatException {
        return switch (type) {
            case STRING -> string(0, SafeTensors.MAX_HEADER);
            case ARRAY -> array(depth + 1);
            default -> numbers(type, 1).getFirst();
        };
    }

    private Numbers numbers(int type, long count) throws FormatException {
        long size = count * SIZES[type];
        if (size > header.remaining()) {
            throw new BufferUnderflowException();
        }
        byte[] copy = new byte[(int) size]; // the file may be closed before it is read
        header.get(copy);
        for (int i = 0; type == BOOL && i < copy.length; i++) {
            within(copy[i], 0, 1, "as a boolean");
        }
        return new Numbers(type, ByteBuffer.wrap(copy).order(ByteOrder.LITTLE_ENDIAN));
    }

    /** Numbers or booleans in the file's bytes. An element becomes an object when it is read: most arrays never are. */
    private static final class Numbers extends AbstractList<Object> implements RandomAccess {
        private final int type;
        private final ByteBuffer bytes;

        Numbers(int type, ByteBuffer bytes) {
            this.type = type;
            this.bytes = bytes;
        }

        @Override
        public int size() {
            return bytes.capacity() / SIZES[type];
        }

        @Override
        public Object get(int index) {
            int at = Objects.checkIndex(index, size()) * SIZES[type];
            return switch (type) {
                case 0 -> Byte.toUnsignedInt(bytes.get(at));
                case 1 -> (int) bytes.get(at);
                case 2 -> Short.toUnsignedInt(bytes.getShort(at));
                case 3 -> (int) bytes.getShort(at);
                case U32 -> integer(Integer.toUnsignedLong(bytes.getInt(at)));
                case I32 -> bytes.getInt(at);
                case F32 -> (double) bytes.getFloat(at);
                case BOOL -> bytes.get(at) == 1;
                case 10 -> {
                    long number = bytes.getLong(at);
                    yield number >= 0 ? integer(number) : new BigInteger(Long.toUnsignedString(number));
                }
                case 11 -> integer(bytes.getLong(at));
                default -> bytes.getDouble(at);
            };
        }
    }

    /** An Integer if the number fits one, else a Long, as JSON's reader makes it. */
    private static Object integer(long number) {
        return number == (int) number ? (Object) (int) number : (Object) number;
    }

    private List<Object> array(int depth) throws FormatException {
        within(depth, 0, MAX_DEPTH, "levels of arrays");
        int type = place.equals(KINDS) ? type(U32, I32) : type(0, LAST_TYPE);
        long count = within(header.getLong(), 0, header.remaining(), "elements");
        if (type != STRING && type != ARRAY) {
            return numbers(type, count);
        }
        within(type == STRING ? count : 0, 0, MOST_TEXTS - texts, "texts in a file of at most " + MOST_TEXTS);
        List<Object> list = new ArrayList<>(); // grows with the texts read: the count in the file may be false
        for (long i = 0; i < count; i++) {
            Object value = value(type, depth);
            if (type == STRING) { // inner arrays are checked and dropped
                list.add(value);
            }
        }
        return Collections.unmodifiableList(list);
    }

    private String string(int least, int most) throws FormatException {
        long length = within(header.getLong(), least, most, "bytes of text");
        texts++;
        if (length > header.remaining()) {
            throw new BufferUnderflowException(); // before the allocation
        }
        byte[] utf8 = new byte[(int) length];
        header.get(utf8);
        String text = new String(utf8, StandardCharsets.UTF_8);
        boolean damaged = text.indexOf('\ufffd') >= 0 && !Arrays.equals(text.getBytes(StandardCharsets.UTF_8), utf8);
        if (damaged || text.indexOf('\0') >= 0) {
            throw wrong("text in UTF-8 without NUL", quote(text));
        }
        return text;
    }

    private int type(int least, int most) throws FormatException {
        return (int) within(Integer.toUnsignedLong(header.getInt()), least, most, "as the type of a value");
    }

    private long within(long number, long least, long most, String what) throws FormatException {
        if (number < least || number > most) {
            throw wrong(least + " to " + most + " " + what, Long.toUnsignedString(number));
        }
        return number;
    }

    private FormatException wrong(String expected, String got) {
        return new FormatException(subject + ", " + place, expected, got, "the file is damaged");
    }
}
