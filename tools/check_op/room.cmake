tandem_room(check_op tools/check_op tandem_ops tandem_dist)
