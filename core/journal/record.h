/* What journals say: the vocabulary shared by the trial that writes, the supervisor and the store that read.
 *
 * Folder of a run, results/r12/:
 *   run.json      written once, atomically, before the first attempt: run_description below
 *   spec.yaml     the resolved experiment, standalone
 *   journal.1 ... one per attempt, written by the trial process
 *   events        written by the supervisor: attempts started and ended, tags; in parts, see journal_part()
 *   checkpoints/  last.safetensors, best.safetensors
 *   output.txt    what the trial process printed
 *   lock          held by the trial process for life
 *
 * Records of a trial's journal; t is the record's type:
 *   {"t":"segment","attempt":2,"from_step":390,"exact_key":"...","time":1732190000.5}   always first
 *   {"t":"metrics","scope":"step","step":10,"epoch":0,"m":{"train_loss":2.1,"lr":0.1}}
 *   {"t":"metrics","scope":"epoch","step":390,"epoch":1,"m":{"train_loss":..,"val_loss":..,..}}
 *   {"t":"metrics","scope":"run","step":1170,"epoch":3,"m":{"test_loss":..,"test_accuracy":..,..}}
 *   {"t":"measured","step":390,"epoch":1,"m":{"seconds":..,"images_per_second":..,"rss_bytes":..}}
 *                                                       outside the promise of equal bits
 *   {"t":"histogram","step":390,"epoch":1,"tensor":"stem.weight","of":"weights|gradient","low":..,"high":..,
 *    "mean":..,"sd":..,"counts":[..]}                   buckets of equal width from low to high
 *   {"t":"kernels","choices":{"stem":"conv.onednn c16",...}}
 *   {"t":"dataset","card":{"type":"cifar10","sample":[3,32,32],"class_names":[..],"mean":[..],..}}
 *                                                       what predictions need when the data are gone: train/data_card.h
 *   {"t":"artifact","kind":"checkpoint","path":"checkpoints/best.safetensors","step":390}
 *   {"t":"event","kind":"warning","text":"...","time":...}
 *   {"t":"end","state":"finished|stopped|failed","step":1170,"text":"...","time":...}
 *                                                       last of an attempt that ended itself
 * Records of `events`:
 *   {"t":"start","attempt":1,"pid":123,"time":...}
 *   {"t":"exit","attempt":1,"code":0,"signal":0,"seconds":12.5,"time":...}
 *   {"t":"state","attempt":1,"state":"paused|stopped early|killed","text":"...","time":...}
 *                                                       what the attempt's end means, where the supervisor knows better
 *   {"t":"tag","tag":"baseline","time":...}
 *   {"t":"event","kind":"...","text":"...","time":...}
 * Records of results/evaluations, which `convoy eval` writes under the lock results/evaluations.lock, in parts as `events`:
 *   {"t":"evaluation","time":...,"key":"...","runs":[{"run":"r1","epoch":3,"config_hash":".."},...],"which":"best",
 *    "part":"test","dataset":"cifar10","fingerprint":"..","overrides":"[..]","input_size":[48,48],"samples":1000,
 *    "m":{"loss":..,"accuracy":..,"top5_accuracy":..,"calibration_error":..}}
 *                                                       several runs: an ensemble. Equal keys: the same weights on the same
 *                                                       samples. input_size: absent where the images are as they are
 * `epoch` of epoch records counts finished epochs (1 = after the first). Steps count optimizer updates from
 * 0; a metric's step is the number of updates done. A later segment's rows replace those of earlier ones with
 * step > from_step.
 *
 * A record of a type unknown to the reader is kept as an event of that kind with its whole text: so a sweep's
 * `events`, in results/s3/ beside its sweep.json, may say more ({"t":"decision",...,"time":...}).
 *
 * Metric values are rounded to 15 significant digits, which every tool prints and reads back unchanged:
 * SQLite's own shell, which shows no more than 15, and Convoy's, which shows what it needs, then agree digit
 * for digit. Values that are not finite are written as the strings "nan", "inf", "-inf". */
#ifndef JOURNAL_RECORD_H
#define JOURNAL_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include "base/json.h"
#include "journal/journal.h"

typedef struct metric {
    const char *name;
    double value;
} metric;

/* What becomes of a metric's value on its way into a record. */
double record_round(double v);

cvy_status record_segment(journal *j, int64_t attempt, int64_t from_step, const char *exact_key, errors *e);
/* type "metrics" with a scope, or type "measured" with scope NULL. */
cvy_status record_metrics(journal *j, const char *scope, int64_t step, int64_t epoch, const metric *m,
                          size_t n, errors *e);
/* Of a tensor's numbers, at the end of an epoch. */
typedef struct record_histogram_of {
    const char *tensor, *of; /* "weights" or "gradient" */
    double low, high, mean, sd;
    const int64_t *counts;
    size_t n;
} record_histogram_of;
cvy_status record_histogram(journal *j, int64_t step, int64_t epoch, const record_histogram_of *h, errors *e);
cvy_status record_kernels(journal *j, const char *choices_json, errors *e);
cvy_status record_dataset(journal *j, const char *card_json, errors *e);
cvy_status record_artifact(journal *j, const char *kind, const char *path, int64_t step, errors *e);
cvy_status record_event(journal *j, const char *kind, const char *what, errors *e);
cvy_status record_end(journal *j, const char *state, int64_t step, const char *what, errors *e);
cvy_status record_start(journal *j, int64_t attempt, int64_t pid, errors *e);
cvy_status record_exit(journal *j, int64_t attempt, int code, int signal, double seconds, errors *e);
/* Counts until a later attempt begins. */
cvy_status record_state(journal *j, int64_t attempt, const char *state, const char *what, errors *e);
/* `members_json`: an object with the members of an evaluation's record but for `t` and `time`. */
cvy_status record_evaluation(journal *j, const char *members_json, errors *e);
cvy_status record_tag(journal *j, const char *tag, errors *e);

/* run.json. What the planning child found out, and what the supervisor decided.
 *   {"run":"r12","experiment":"cifar10-optimizers","label":"adam lr=0.001","created":1732190000.5,
 *    "source":"experiments/x.yaml","base_dir":"/abs","overrides":["train.epochs=2"],
 *    "sweep":"s3","trial":4,"repeat":0,"seed":1,             sweep null and trial -1 for a single run
 *    "config_hash":"..","exact_key":"..","model":"cifar_resnet20",
 *    "parameters":{"total":269722,"trainable":269722},"macs":40550000,
 *    "epochs":30,"steps_per_epoch":351,
 *    "accuracy":true,                                        whether it logs accuracies; without, losses alone
 *    "average":false,                                        whether its best epoch is that of its averaged weights
 *    "params":{"train.optimizer.type":"adam",...},           dotted path -> value text
 *    "plugins":[{"kind":"layer","name":"conv2d","path":"..","sha256":".."}],
 *    "environment":{"host":"..","cpu":"..","isa":"avx512","threads":"2","onednn":"2.6.3","convoy":"0.1.0","git":".."},
 *    "dataset":{"type":"cifar10","fingerprint":"..","train":45000,"validation":5000,"test":10000,"classes":10},
 *    "metric":{"name":"val_accuracy","goal":"maximize"}} */

#endif
