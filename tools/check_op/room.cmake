tandem_room(check_op tools/check_op tandem_ops tandem_dist)
tandem_public_headers(tools/check_op/check_op.h tools/check_op/op_failures.h tools/check_op/values.h)
