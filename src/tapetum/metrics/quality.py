"""The series of how good the answers are: drift, what people say, and what a challenger does."""

from tapetum.metrics.series import SHORT, Series

# The last predictions beside the profile of the bundle. What no verdict tells has no series.
UNLIKE = Series("unlike_training_total", "counter", "predictions", "Predictions of pictures unlike the training data.")
DRIFT_WINDOW = Series(
    "drift_window_predictions", "gauge", "predictions", "Predictions in the window that is compared; 0 without profile."
)
DRIFT = Series("drift_detected", "gauge", "1", "1 while the window has drifted from the profile, else 0.")
DRIFT_LOSS = Series(
    "drift_estimated_loss_ratio", "gauge", "share", "Accuracy that drift costs at least, as estimated; 0 without drift."
)
DRIFT_TIME = Series("drift_comparison_seconds", "gauge", "seconds", "Time that the last comparison took.")
DRIFT_PSI = Series(
    "drift_psi", "gauge", "1", "Population stability index of the window against the profile.", labels=("statistic",)
)
DRIFT_PSI_THRESHOLD = Series(
    "drift_psi_threshold", "gauge", "1", "The index above which a window has drifted.", labels=("statistic",)
)
DRIFT_FEATURES = Series(
    "drift_feature_distance", "gauge", "1", "Squared maximum mean discrepancy of what the model sees from the profile."
)
DRIFT_FEATURES_THRESHOLD = Series(
    "drift_feature_distance_threshold", "gauge", "1", "The distance above which a window has drifted."
)
REFERENCE_ACCURACY = Series("model_reference_accuracy_ratio", "gauge", "share", "Accuracy on the profile's pictures.")
ESTIMATED = Series(
    "model_estimated_accuracy_ratio", "gauge", "share", "Accuracy estimated from confidence; absent where it cannot be."
)
ESTIMATED_LOW = Series(
    "model_estimated_accuracy_low_ratio", "gauge", "share", "Lower bound of its 95 % band; absent with it."
)
ESTIMATED_HIGH = Series(
    "model_estimated_accuracy_high_ratio", "gauge", "share", "Upper bound of its band, which holds without it too."
)
ESTIMATED_CLASS = Series(
    "model_estimated_class_accuracy_ratio",
    "gauge",
    "share",
    "Estimated share of right answers among those of a class; absent where it cannot be.",
    labels=("predicted_class",),
)

# What people said of answers, beside what the bundle states; and the pictures that were kept for them.
TEST_ACCURACY = Series(
    "model_test_accuracy_ratio",
    "gauge",
    "share",
    "Accuracy of the served model on its test part, in the precision served, as its bundle states it.",
)
FEEDBACK = Series(
    "feedback_total", "counter", "words", "Words of feedback: answers called right or wrong.", labels=("outcome",)
)
JUDGED = Series(
    "judged_predictions",
    "gauge",
    "predictions",
    "The last 1,000 answers of the served model that feedback judged, by what the model said and which it was.",
    labels=("predicted_class", "outcome"),
)
KEPT = Series("kept_pictures", "gauge", "pictures", "Served pictures in TAPETUM_KEEP_PICTURES_DIR.")
KEPT_SIZE = Series("kept_pictures_size_bytes", "gauge", "bytes", "Bytes that they take.")
KEPT_LOST = Series(
    "kept_pictures_lost_total",
    "counter",
    "pictures",
    "Pictures, and labels for them, that were to be kept and could not be.",
    labels=("reason",),
)

# A challenger that runs in the shadow of the served model; without one these have no series.
SHADOW_UP = Series("shadow_up", "gauge", "1", "1 while the challenger can be asked, else 0.")
SHADOW_RESTARTS = Series("shadow_restarts_total", "counter", "processes", "Its processes that had to be replaced.")
SHADOW_COMPARED = Series(
    "shadow_compared_total", "counter", "pictures", "Pictures that served model and challenger both answered."
)
SHADOW_AGREED = Series("shadow_agreed_total", "counter", "pictures", "Those of them with the same class.")
SHADOW_SKIPPED = Series(
    "shadow_skipped_total",
    "counter",
    "pictures",
    "Pictures drawn for the challenger that were not compared.",
    labels=("reason",),
)
SHADOW_TIME = Series(
    "shadow_compute_seconds",
    "histogram",
    "seconds",
    "Time to decode and compute a picture that was compared: the served model's, and the challenger's.",
    labels=("role",),
    buckets=SHORT,
)
