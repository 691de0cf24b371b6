package dev.causal4j.spark;

import dev.causal4j.spark.Operation.Arguments;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.analysis.NoSuchFunctionException;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.XXH64;
import org.apache.spark.sql.catalyst.util.ArrayData;
import org.apache.spark.sql.catalyst.util.GenericArrayData;
import org.apache.spark.sql.connector.catalog.FunctionCatalog;
import org.apache.spark.sql.connector.catalog.Identifier;
import org.apache.spark.sql.connector.catalog.functions.BoundFunction;
import org.apache.spark.sql.connector.catalog.functions.ScalarFunction;
import org.apache.spark.sql.connector.catalog.functions.UnboundFunction;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.MapType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.sql.util.CaseInsensitiveStringMap;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;
import org.jspecify.annotations.Nullable;

/**
 * A model as functions of SQL, also over Connect: {@code score(text)}, {@code log_probabilities(text)}, {@code
 * generate(prompt, options)}, {@code embed(text, prompt)} and {@code rank(prompt, choices)} give the structs of {@link SparkCausalLM}'s columns. {@code
 * extract(prompt, schema)} gives a document that a JSON Schema allows as {@code json}, for {@code from_json}.
 *
 * <p>{@code spark.sql.catalog.lm=dev.causal4j.spark.CausalLMCatalog} makes them {@code lm.score(text)}; {@code
 * spark.sql.catalog.lm.model}, {@code .dtype} and {@code .threads} are those of a {@link ModelSource}, and without a
 * model the embedded one is taken. Options are a map, see {@link GenerationSettings#of}; without a seed it is the {@code
 * xxhash64} of the prompt.
 *
 * <p>Rows come one by one, so that a Dataset is faster. Made by Spark; thread-safe after that.
 */
public final class CausalLMCatalog implements FunctionCatalog {
    private static final Set<String> OPTIONS = Set.of("model", "dtype", "threads");
    private static final long SEED = 42; // of Spark's xxhash64

    private String name = "";
    private ModelSource model = ModelSource.embedded();

    /** Made by Spark, by the name of the class. */
    public CausalLMCatalog() {}

    @Override
    public void initialize(String catalog, CaseInsensitiveStringMap options) {
        name = catalog;
        Set<String> unknown = new TreeSet<>(options.keySet());
        unknown.removeAll(OPTIONS);
        if (!unknown.isEmpty()) {
            throw new IllegalArgumentException("spark.sql.catalog." + catalog
                    + ": expected the settings model, dtype and threads, got " + String.join(", ", unknown));
        }
        model = ModelSource.of(options.getOrDefault("model", ""), options.get("dtype"))
                .withThreads(options.getInt("threads", 0));
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Identifier[] listFunctions(String[] namespace) {
        return Arrays.stream(Operation.values())
                .filter(_ -> namespace.length == 0)
                .map(operation -> Identifier.of(namespace, operation.function()))
                .toArray(Identifier[]::new);
    }

    @Override
    public UnboundFunction loadFunction(Identifier identifier) throws NoSuchFunctionException {
        Optional<Operation> found = Arrays.stream(Operation.values())
                .filter(operation -> identifier.namespace().length == 0
                        && operation.function().equalsIgnoreCase(identifier.name()))
                .findFirst();
        return new Unbound(found.orElseThrow(() -> new NoSuchFunctionException(identifier)), model);
    }

    private record Unbound(Operation operation, ModelSource model) implements UnboundFunction {
        @Override
        public BoundFunction bind(StructType given) {
            int most = operation.inputs.size();
            if (given.size() != most && !(operation.mayLackLast() && given.size() == 1)) {
                throw new UnsupportedOperationException(
                        name() + ": expected " + description() + ", got " + given.size() + " arguments");
            }
            List<DataType> inputs = IntStream.range(0, given.size())
                    .mapToObj(i -> {
                        DataType type = given.apply(i).dataType();
                        DataType wanted = operation.inputs.apply(i).dataType();
                        return type instanceof MapType && wanted instanceof MapType ? type : wanted;
                    }) // values of options need no quotes
                    .toList();
            return new Bound(operation, model, inputs);
        }

        @Override
        public String description() {
            return name() + "(" + String.join(", ", operation.inputs.fieldNames()) + ")";
        }

        @Override
        public String name() {
            return operation.function();
        }
    }

    private record Bound(Operation operation, ModelSource model, List<DataType> inputs)
            implements ScalarFunction<InternalRow> {
        @Override
        public DataType[] inputTypes() {
            return inputs.toArray(DataType[]::new);
        }

        @Override
        public DataType resultType() {
            return operation.type;
        }

        @Override
        public String name() {
            return operation.function();
        }

        @Override
        public InternalRow produceResult(InternalRow row) {
            TaskContext task = TaskContext.get();
            Operation.Result result = operation.apply(
                    ExecutorModel.of(model, task), () -> arguments(row), () -> task == null || !task.isInterrupted());
            return new GenericInternalRow(internal(result.values()));
        }

        private Arguments arguments(InternalRow row) {
            if (row.anyNull()) {
                throw new IllegalArgumentException(name() + ": expected values, got null");
            }
            String text = row.getUTF8String(0).toString();
            return switch (operation) {
                case SCORE, LOG_PROBABILITIES -> new Arguments(text, List.of());
                case EMBED ->
                    new Arguments(
                            text,
                            List.of(row.numFields() > 1 ? row.getUTF8String(1).toString() : ""));
                case RANK -> new Arguments(text, texts(row.getArray(1), DataTypes.StringType));
                case GENERATE -> new Arguments(text, List.of(), GenerationSettings.of(options(row)), seed(row), null);
                case EXTRACT -> {
                    String schema = row.getUTF8String(1).toString();
                    yield new Arguments(text, List.of(), GenerationSettings.NONE, seed(row), schema);
                }
            };
        }

        private static long seed(InternalRow row) {
            byte[] prompt = row.getUTF8String(0).getBytes();
            return XXH64.hashUnsafeBytes(prompt, Platform.BYTE_ARRAY_OFFSET, prompt.length, SEED);
        }

        private Map<String, String> options(InternalRow row) {
            Map<String, String> options = new HashMap<>();
            if (inputs.size() > 1 && inputs.get(1) instanceof MapType type) {
                List<@Nullable String> names = texts(row.getMap(1).keyArray(), type.keyType());
                List<@Nullable String> values = texts(row.getMap(1).valueArray(), type.valueType());
                for (int i = 0; i < names.size(); i++) {
                    options.put(String.valueOf(names.get(i)), String.valueOf(values.get(i)));
                }
            }
            return options;
        }

        private static List<@Nullable String> texts(ArrayData array, DataType type) {
            List<@Nullable String> texts = new ArrayList<>();
            for (@Nullable Object each : array.toObjectArray(type)) {
                texts.add(each == null ? null : each.toString());
            }
            return texts;
        }

        private static @Nullable Object[] internal(@Nullable Object[] values) {
            return Arrays.stream(values)
                    .map(value -> switch (value) {
                        case String text -> UTF8String.fromString(text);
                        case Object[] array -> new GenericArrayData(internal(array));
                        case null -> null;
                        default -> value;
                    })
                    .toArray();
        }
    }
}
