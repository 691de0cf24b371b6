package dev.causal4j.format;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.UnaryOperator;

/** Writes GGUF files, sound or not: counts, types, shapes and offsets are written as given. Not thread-safe. */
final class GgufForge {
    static final byte[] MAGIC = "GGUF".getBytes(StandardCharsets.US_ASCII);
    static final String QUERY = "blk.0.attn_q.weight";

    private static final int PADDED = 32;

    private final Map<String, byte[]> keys = new LinkedHashMap<>();
    private final List<byte[]> moreKeys = new ArrayList<>();
    private final List<Tensor> tensors = new ArrayList<>();
    private byte[] magic = MAGIC;
    private int version = 3;
    private int alignment = PADDED;
    private boolean lastPadded = true;
    private long missingTensors;
    private long missingKeys;

    /** A tensor as its declaration says; its data begin where those before it end, unless {@code offset} is given. */
    record Tensor(String name, int type, List<Long> shape, long offset, byte[] data) {
        static final long NEXT = Long.MIN_VALUE;

        static Tensor of(String name, long... shape) {
            return new Tensor(name, 0, List.of(), NEXT, new byte[0]).shaped(shape);
        }

        /** This tensor in another shape, with numbers for it if the shape is small. */
        Tensor shaped(long... shape) {
            long count = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
            return new Tensor(name, type, Arrays.stream(shape).boxed().toList(), offset, numbers(count));
        }

        Tensor named(String other) {
            return new Tensor(other, type, shape, offset, data);
        }

        Tensor typed(int other) {
            return new Tensor(name, other, shape, offset, data);
        }

        Tensor at(long other) {
            return new Tensor(name, type, shape, other, data);
        }

        Tensor holding(byte[] other) {
            return new Tensor(name, type, shape, offset, other);
        }

        private static byte[] numbers(long count) {
            int small = count < 0 || count > 4096 ? 0 : (int) count;
            ByteBuffer numbers = ByteBuffer.allocate(4 * small).order(ByteOrder.LITTLE_ENDIAN);
            Random random = new Random(5);
            while (numbers.hasRemaining()) {
                numbers.putFloat((float) random.nextGaussian());
            }
            return numbers.array();
        }
    }

    /** A model of Llama's layout: one block, 8 tokens, a hidden size of 8, two heads of queries and one of keys. */
    static GgufForge good() {
        GgufForge forge = new GgufForge()
                .key("general.architecture", text("llama"))
                .key("llama.context_length", u32(64))
                .key("llama.embedding_length", u32(8))
                .key("llama.block_count", u32(1))
                .key("llama.feed_forward_length", u32(8))
                .key("llama.attention.head_count", u32(2))
                .key("llama.attention.head_count_kv", u32(1))
                .key("llama.attention.layer_norm_rms_epsilon", f32(1e-5f))
                .key("tokenizer.ggml.model", text("gpt2"))
                .key("tokenizer.ggml.pre", text("gpt-2"))
                .key("tokenizer.ggml.tokens", list(8, "a", "b", "ab", "c", "d", "e", "\u010a", "<eos>"))
                .key("tokenizer.ggml.token_type", list(5, 1, 1, 1, 1, 1, 1, 1, 3))
                .key("tokenizer.ggml.merges", list(8, "a b"))
                .key("tokenizer.ggml.eos_token_id", u32(7))
                .tensor(Tensor.of("token_embd.weight", 8, 8))
                .tensor(Tensor.of("output_norm.weight", 8))
                .tensor(Tensor.of("blk.0.attn_norm.weight", 8))
                .tensor(Tensor.of(QUERY, 8, 8))
                .tensor(Tensor.of("blk.0.attn_k.weight", 8, 4))
                .tensor(Tensor.of("blk.0.attn_v.weight", 8, 4))
                .tensor(Tensor.of("blk.0.attn_output.weight", 8, 8))
                .tensor(Tensor.of("blk.0.ffn_norm.weight", 8));
        for (String name : List.of("gate", "up", "down")) {
            forge.tensor(Tensor.of("blk.0.ffn_" + name + ".weight", 8, 8));
        }
        return forge;
    }

    // ---- changes

    GgufForge magic(String other) {
        magic = other.getBytes(StandardCharsets.US_ASCII);
        return this;
    }

    GgufForge version(int other) {
        version = other;
        return this;
    }

    /** Announces this number of tensors, whether or not they exist. */
    GgufForge announcingTensors(long count) {
        missingTensors = count - tensors.size();
        return this;
    }

    GgufForge announcingKeys(long count) {
        missingKeys = count - keys.size();
        return this;
    }

    /** Sets the value of a key, or adds the key. */
    GgufForge key(String name, byte[] value) {
        keys.put(name, value);
        return this;
    }

    /** Adds a key at the end, known or not. */
    GgufForge again(String name, byte[] value) {
        moreKeys.add(bytes(name, value));
        return this;
    }

    GgufForge without(String name) {
        keys.remove(name);
        return this;
    }

    /** Declares an alignment before all other keys, without applying it. */
    GgufForge alignment(byte[] value) {
        ((LinkedHashMap<String, byte[]>) keys).putFirst("general.alignment", value);
        return this;
    }

    /** Places tensors at multiples of this many bytes, without declaring it. */
    GgufForge aligned(int bytes) {
        alignment = bytes;
        return this;
    }

    GgufForge withoutLastPadding() {
        lastPadded = false;
        return this;
    }

    GgufForge tensor(Tensor tensor) {
        tensors.add(tensor);
        return this;
    }

    GgufForge withoutTensor(String name) {
        tensors.removeIf(each -> each.name.equals(name));
        return this;
    }

    GgufForge change(String name, UnaryOperator<Tensor> change) {
        tensors.replaceAll(each -> each.name.equals(name) ? change.apply(each) : each);
        return this;
    }

    /** Swaps the declarations of two tensors and leaves their data where they are. */
    GgufForge declaringInTurn(String one, String other) {
        long offset = 0;
        for (int i = 0; i < tensors.size(); i++) {
            Tensor each = tensors.get(i);
            tensors.set(i, each.at(offset));
            offset = ceil(offset + each.data.length);
        }
        List<String> names = tensors.stream().map(Tensor::name).toList();
        Collections.swap(tensors, names.indexOf(one), names.indexOf(other));
        return this;
    }

    // ---- bytes

    byte[] file() {
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        int pairs = keys.size() + moreKeys.size();
        header.writeBytes(bytes(magic, version, tensors.size() + missingTensors, pairs + missingKeys));
        keys.forEach((name, value) -> header.writeBytes(bytes(name, value)));
        moreKeys.forEach(header::writeBytes);
        ByteArrayOutputStream data = new ByteArrayOutputStream();
        for (Tensor each : tensors) {
            long offset = each.offset == Tensor.NEXT ? data.size() : each.offset;
            header.writeBytes(bytes(each.name, each.shape.size()));
            each.shape.forEach(size -> header.writeBytes(bytes(size)));
            header.writeBytes(bytes(each.type, offset));
            data.writeBytes(each.data);
            if (lastPadded || !each.equals(tensors.getLast())) {
                data.writeBytes(new byte[(int) ceil(data.size()) - data.size()]);
            }
        }
        header.writeBytes(new byte[(int) ceil(header.size()) - header.size()]);
        return bytes(header.toByteArray(), data.toByteArray());
    }

    private long ceil(long size) {
        return Math.ceilDiv(size, alignment) * alignment;
    }

    /** Parts one after the other in little-endian order; a text is its length in 8 bytes and its UTF-8. */
    static byte[] bytes(Object... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (Object part : parts) {
            ByteBuffer number = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            switch (part) {
                case byte[] raw -> all.writeBytes(raw);
                case String text -> {
                    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
                    all.writeBytes(bytes((long) utf8.length, utf8));
                }
                case Byte each -> all.write(each);
                case Short each -> all.write(number.putShort(each).array(), 0, 2);
                case Integer each -> all.write(number.putInt(each).array(), 0, 4);
                case Long each -> all.write(number.putLong(each).array(), 0, 8);
                case Float each -> all.write(number.putFloat(each).array(), 0, 4);
                default -> throw new IllegalArgumentException(part.toString());
            }
        }
        return all.toByteArray();
    }

    static byte[] u32(long number) {
        return bytes(4, (int) number);
    }

    static byte[] f32(float number) {
        return bytes(6, number);
    }

    static byte[] text(String text) {
        return bytes(8, text);
    }

    static byte[] list(int type, Object... elements) {
        return bytes(9, type, (long) elements.length, bytes(elements));
    }

    /** A file with some of its bytes overwritten. */
    static byte[] overwritten(byte[] file, int at, byte... bytes) {
        byte[] copy = file.clone();
        System.arraycopy(bytes, 0, copy, at, bytes.length);
        return copy;
    }

    /** The index of the first byte after the first occurrence of a text. */
    static int after(byte[] file, String text) {
        int at = new String(file, StandardCharsets.ISO_8859_1).indexOf(text);
        if (at < 0) {
            throw new IllegalArgumentException(text);
        }
        return at + text.length();
    }

    /** A header alone, filled up to the next multiple of 32 bytes. */
    static byte[] padded(byte[] header) {
        return Arrays.copyOf(header, Math.ceilDiv(header.length, PADDED) * PADDED);
    }
}
