package dev.causal4j.spark;

import dev.causal4j.compute.Compute;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Scorer;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.spark.TaskContext;
import org.apache.spark.util.TaskCompletionListener;
import org.jspecify.annotations.Nullable;

/**
 * The model of this process, and the engine that all its tasks submit to. Thread-safe. It stays until the process ends.
 *
 * <p>One engine and not one a task: sequences of all tasks share the pages of keys and values and wait for them in turn.
 */
final class ExecutorModel {
    private static final Map<ModelSource, ExecutorModel> LOADED = new ConcurrentHashMap<>();

    private final ModelSource source;
    private final Compute compute = Compute.of(1);
    private final Set<Long> tasks = ConcurrentHashMap.newKeySet();
    private int cores; // of the tasks that run; guarded by this

    final CausalLM model;
    final Engine engine;
    final Scorer scorer;
    final Generator generator;

    private ExecutorModel(ModelSource source) {
        this.source = source;
        this.model = source.load(compute);
        engine = new Engine(model);
        this.scorer = new Scorer(engine);
        this.generator = new Generator(engine);
        addCores(0);
    }

    /**
     * The model for a task, which lends it its cores until it ends.
     *
     * @param task null on a driver that folds constants
     */
    static ExecutorModel of(ModelSource source, @Nullable TaskContext task) {
        ExecutorModel loaded = LOADED.computeIfAbsent(source, ExecutorModel::new);
        if (task != null && loaded.tasks.add(task.taskAttemptId())) {
            int given = task.cpus();
            loaded.addCores(given);
            TaskCompletionListener leaving = ended -> {
                loaded.tasks.remove(ended.taskAttemptId());
                loaded.addCores(-given);
            };
            task.addTaskCompletionListener(leaving);
        }
        return loaded;
    }

    private synchronized void addCores(int change) {
        cores += change;
        compute.use(source.threads() > 0 ? source.threads() : Math.max(1, cores));
    }
}
